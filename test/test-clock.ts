import { TestClock as BossClock } from 'pg-boss';
import type { Clock } from '../src/core/clock.ts';

export interface TestClock extends Clock {
  /** The queue's clock, which moves with this one. */
  bossClock: BossClock;
  /** Moves time on and calls what falls due, in order. */
  advance(ms: number): Promise<void>;
}

interface Timer {
  at: number;
  callback: () => void;
}

/** Time that stands still until a test moves it. Starts now, so that certificates and the like are still valid. */
export function createTestClock(): TestClock {
  let now = Date.now();
  const timers = new Set<Timer>();
  const bossClock = new BossClock(now);
  return {
    bossClock,
    now: () => now,
    after(ms, callback) {
      const timer = { at: now + ms, callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        const [next] = [...timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
        if (!next) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.callback();
      }
      now = end;
      await bossClock.setTime(now);
    },
  };
}
