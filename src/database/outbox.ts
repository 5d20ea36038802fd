import { sleep, systemClock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { startLoop } from '../core/loop.ts';
import type { Db } from './open.ts';
import { createFloor } from './outbox-floor.ts';
import { MOST_SENT, sendChanges } from './outbox.repository.ts';

/** Tells all processes of changes that were committed without a notification. */
export interface Outbox {
  /** Something was committed: sends it on soon, together with what else is committed until then. */
  wake(): void;
  /** Sends no more; resolves when what is under way has ended. The other processes go on. */
  stop(): Promise<void>;
}

/** What other processes left, since they died between a commit and its sending, waits at most this long, in ms. */
const SWEEP_MS = 250;
/** Between two commits that notify; the more changes there are, the more share one. */
const PAUSE_MS = 10;

/**
 * Starts sending. By wall time whatever the app's clock is: it is about caches of processes, not about jobs. A failure is
 * logged, and tried again with the next sweep.
 */
export function startOutbox({ db, log }: { db: Db; log: Log }): Outbox {
  const floor = createFloor();
  return startLoop({
    clock: systemClock,
    intervalMs: SWEEP_MS,
    async round(signal) {
      const startedMs = performance.now();
      const above = floor.at(startedMs);
      const { sent, top } = await sendChanges(db, above);
      floor.looked({ above, startedMs, endedMs: performance.now(), top, isAll: sent < MOST_SENT });
      if (sent > 0) await sleep(systemClock, PAUSE_MS, signal);
      return sent === MOST_SENT;
    },
    onError: (error) => log.warn({ error: errorText(error) }, 'changes could not be sent on; it goes on'),
  });
}
