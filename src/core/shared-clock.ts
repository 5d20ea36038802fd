import type { Clock } from './clock.ts';

/** The time that all processes share, told by this one. Within milliseconds of its source, between two measures too. */
export interface SharedClock extends Clock {
  /** Measures the source again. Rejects when it does not answer: the last measure goes on being used. */
  sync(): Promise<void>;
  /** By how much this machine's wall clock is ahead of the shared time, in ms; negative when it is behind. */
  skewMs(): number;
}

export interface SharedClockOptions {
  /** What time is counted with between two measures. In production it is monotonic: setting the wall clock moves nothing. */
  local: Clock;
  /** The machine's own idea of the time of day, in ms since the epoch. */
  wall: () => number;
  /** Asks the source for its time, in ms since the epoch. */
  ask: () => Promise<number>;
}

/** Out of so many answers the quickest counts: it says most exactly when its time was. */
const MEASURES = 3;

interface Measure {
  offsetMs: number;
  errorMs: number;
}

/** A clock that shows local time until it has been told the shared one by `sync`. */
export function createSharedClock({ local, wall, ask }: SharedClockOptions): SharedClock {
  let offsetMs = 0;
  const now = () => Math.round(local.now() + offsetMs);

  async function measure(): Promise<Measure> {
    const before = local.now();
    const time = await ask();
    const after = local.now();
    return { offsetMs: time - (before + after) / 2, errorMs: Math.abs(after - before) / 2 };
  }

  return {
    now,
    after: (ms, callback) => local.after(ms, callback),
    skewMs: () => Math.round(wall() - now()),
    async sync() {
      let best = await measure();
      for (let count = 1; count < MEASURES; count += 1) {
        const next = await measure();
        if (next.errorMs < best.errorMs) best = next;
      }
      // What the measure cannot tell from the former one is no reason to move: time would tremble.
      if (Math.abs(best.offsetMs - offsetMs) > best.errorMs) offsetMs = best.offsetMs;
    },
  };
}
