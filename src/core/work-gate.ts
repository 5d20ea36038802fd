import type { Log } from './log.ts';
import type { SharedClock } from './shared-clock.ts';

/** Whether this process may take work: not while its machine's clock and the database's disagree. */
export interface WorkGate {
  isOpen(): boolean;
  /** Measures the clock, then as `isOpen`. While the database does not answer, the last measure counts. */
  check(): Promise<boolean>;
  /** Throws what is wrong, and what to do, while the gate is closed. */
  assertOpen(): void;
}

/** More than networks and loads explain, in ms: this machine's clock, or the database's, is wrong. */
export const MAX_SKEW_MS = 5000;

/** The gate is closed. Its message is for the operator: it names no secret. */
export class ClockSkew extends Error {
  override readonly name = 'ClockSkew';
}

/** Judges the clock whenever it is asked, and logs once when the answer changes. */
export function createWorkGate(clock: SharedClock, log: Log): WorkGate {
  let wasOpen = true;

  function isOpen(): boolean {
    const isNow = Math.abs(clock.skewMs()) <= MAX_SKEW_MS;
    if (isNow !== wasOpen) {
      wasOpen = isNow;
      if (isNow)
        log.info({ skewMs: clock.skewMs() }, 'the clock of this machine is right again: work goes on');
      else log.error({ skewMs: clock.skewMs() }, `${describe(clock.skewMs())} No work is taken until then.`);
    }
    return isNow;
  }

  return {
    isOpen,
    async check() {
      await clock.sync().catch(() => {});
      return isOpen();
    },
    assertOpen() {
      if (!isOpen()) throw new ClockSkew(describe(clock.skewMs()));
    },
  };
}

function describe(skewMs: number): string {
  const seconds = (Math.abs(skewMs) / 1000).toFixed(1);
  const side = skewMs > 0 ? 'ahead of' : 'behind';
  return (
    `The clock of this machine is ${seconds} s ${side} the database's. ` +
    `Set both by NTP; up to ${MAX_SKEW_MS / 1000} s are tolerated.`
  );
}
