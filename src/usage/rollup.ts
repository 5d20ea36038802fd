import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Loop, startLoop } from '../core/loop.ts';
import type { Database } from '../database/open.ts';
import { foldUsage } from './rollup.repository.ts';

/** Lines wait at most this long for their place in the sums, in ms: few enough to be read with every report. */
const EVERY_MS = 10_000;

/** Keeps the sums that reports read short of nothing but the last few seconds. Any process may; one at a time does. */
export function startRollup({ db, clock, log }: { db: Database; clock: Clock; log: Log }): Loop {
  return startLoop({
    clock,
    intervalMs: EVERY_MS,
    round: async () => {
      await foldUsage(db);
      return false;
    },
    onError: (error) => log.warn({ error: errorText(error) }, 'usage cannot be summed up'),
  });
}
