/** A look that takes longer than this wades through dead lines, in ms. */
const SLOW_MS = 20;
/** Looks at all lines take at most one part in this many of the time, once they are slow. */
const SHARE = 20;
/** But all are looked at again after this time, in ms. */
const LONGEST_MS = 30_000;

/** Where the next look for lines begins. An old snapshot keeps dead lines by the million; most looks then pass over them. */
export interface Floor {
  /** Lines with this id or a lower one are passed over; 0: none. */
  at(nowMs: number): number;
  /** What a look came to that began at a floor: how long it took, the highest id drawn, and whether it saw all. */
  looked(look: { above: number; startedMs: number; endedMs: number; top: number; isAll: boolean }): void;
}

/**
 * While looks are fast, each one sees everything. When one is slow, those that follow begin where it ended, until one at
 * everything is due again: that finds what a transaction wrote early and committed late.
 */
export function createFloor(): Floor {
  let floor = 0;
  let allAgainMs = 0;
  return {
    at: (nowMs) => (nowMs < allAgainMs ? floor : 0),
    looked({ above, startedMs, endedMs, top, isAll }) {
      // Ids begin again after a crash of the server.
      if (top < floor) floor = allAgainMs = 0;
      if (above > 0 || !isAll) return;
      const tookMs = endedMs - startedMs;
      floor = tookMs > SLOW_MS ? top : 0;
      allAgainMs = tookMs > SLOW_MS ? endedMs + Math.min(tookMs * SHARE, LONGEST_MS) : 0;
    },
  };
}
