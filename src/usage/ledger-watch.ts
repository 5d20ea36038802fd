import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Loop, startLoop } from '../core/loop.ts';
import { exclusively } from '../database/exclusive.ts';
import type { Database } from '../database/open.ts';
import { checkLedger } from './ledger-check.repository.ts';
import { findFindings, type LedgerFindings, saveFindings } from './ledger-watch.repository.ts';

const LOOK_MS = 60_000;
/** The books are proved this often, by one process, in ms. */
const EVERY_MS = 5 * 60_000;
/** A check that takes long is made less often: it may have one part in so many of the time. */
const SHARE = 20;

export interface LedgerWatch {
  start(): Loop;
  /** Proves the books if that is due. Whether it was. */
  step(): Promise<boolean>;
  /** What the last check of any process found; undefined: none yet. */
  findings(): Promise<LedgerFindings | undefined>;
}

/** Proves the books in the background: the same check as `npm run ledger:check`, for the metrics. */
export function createLedgerWatch({ db, clock, log }: { db: Database; clock: Clock; log: Log }): LedgerWatch {
  async function step(): Promise<boolean> {
    if (!(await isDue())) return false;
    return (await exclusively(db, 'ledger', check)) ?? false;
  }

  async function isDue(): Promise<boolean> {
    const last = await findFindings(db);
    if (!last) return true;
    return clock.now() - last.checkedAt.getTime() >= Math.max(EVERY_MS, last.tookMs * SHARE);
  }

  async function check(): Promise<boolean> {
    if (!(await isDue())) return false;
    const startedAt = performance.now();
    const { entries, problems, imbalanceMicros } = await checkLedger(db);
    const findings = problems.map(({ rule, count }) => ({ rule, count }));
    const tookMs = Math.round(performance.now() - startedAt);
    await saveFindings(db, {
      checkedAt: new Date(clock.now()),
      tookMs,
      entries,
      imbalanceMicros,
      problems: findings,
    });
    if (problems.length > 0) log.error({ problems, imbalanceMicros }, 'the books do not balance');
    return true;
  }

  return {
    step,
    findings: () => findFindings(db),
    start: () =>
      startLoop({
        clock,
        intervalMs: LOOK_MS,
        round: async () => {
          await step();
          return false;
        },
        onError: (error) => log.warn({ error: errorText(error) }, 'the ledger cannot be checked'),
      }),
  };
}
