import type { Kysely } from 'kysely';
import type { Actor } from '../accounts/actor.ts';
import { appendAudit } from '../accounts/audit.repository.ts';
import type { Clock } from '../core/clock.ts';
import type { Micros } from '../core/money.ts';
import type { DB } from '../database/schema.ts';
import { type BillLine, billedOperations, compareDays, type DriftRow } from './bills.ts';
import {
  correctTo,
  findNamedAttempts,
  findUnbilled,
  type NamedAttempt,
  owedByDay,
} from './bills.repository.ts';

/** What became of a line that names an operation. */
export type Standing =
  'same' | 'differs' | 'corrected' | 'orphan' | 'unknown' | 'ambiguous' | 'open' | 'negative';

export interface OperationDrift {
  operation: string;
  line: number;
  standing: Standing;
  jobId: string | null;
  billMicros: Micros;
  /** Before any correction; null: no job, or more than one. */
  ledgerMicros: Micros | null;
}

export interface Drift {
  from: string;
  to: string;
  days: DriftRow[];
  standings: Record<Standing, number>;
  /** What is not the same, as far as it is shown. */
  operations: OperationDrift[];
  /** Charged jobs that the bill does not name; null: it names none at all. */
  unbilled: { count: number; jobs: { jobId: string; charged: Micros }[] } | null;
  correctedMicros: Micros;
}

const SHOWN = 1000;

export interface DriftOptions {
  connection: string;
  timeZone: string;
  /** Who has the ledger corrected; undefined: nothing is changed. */
  corrector?: Actor | undefined;
}

/** Holds a bill against the ledger. The days are compared as they stood before any correction. */
export async function compareBill(
  { db, clock }: { db: Kysely<DB>; clock: Clock },
  lines: readonly BillLine[],
  { connection, timeZone, corrector }: DriftOptions,
): Promise<Drift> {
  const days = lines.map(({ day }) => day).toSorted();
  const span = { from: days[0] ?? '', to: days.at(-1) ?? '', timeZone };
  const billed = billedOperations(lines);
  const compared = compareDays(lines, lines.length === 0 ? [] : await owedByDay(db, connection, span));
  const attempts = Map.groupBy(
    await findNamedAttempts(db, connection, [...billed.keys()]),
    ({ operation }) => operation,
  );
  // Two names of one attempt, such as both of its ids, must not be paid for one after the other.
  const claims = Map.groupBy([...attempts.values()].flat(), ({ jobId, attemptId, isOrphan }) =>
    isOrphan ? attemptId : jobId,
  );
  const named = [...attempts.values()].flat().map(({ jobId }) => jobId);
  const unbilled = billed.size === 0 ? null : await findUnbilled(db, connection, span, named, SHOWN);
  const standings = {
    same: 0,
    differs: 0,
    corrected: 0,
    orphan: 0,
    unknown: 0,
    ambiguous: 0,
    open: 0,
    negative: 0,
  };
  const operations: OperationDrift[] = [];
  let correctedMicros = 0;
  for (const [operation, { amount, line }] of billed) {
    const found = attempts.get(operation) ?? [];
    const [only] = found;
    const claim = only && (only.isOrphan ? only.attemptId : only.jobId);
    const isOne = found.length === 1 && claim !== undefined && claims.get(claim)?.length === 1;
    let standing = standingOf(found, isOne, amount);
    if (standing === 'differs' && only && corrector) {
      const difference = await correctOne(only, operation, amount, corrector);
      standing = difference === undefined ? 'open' : 'corrected';
      correctedMicros += difference ?? 0;
    }
    standings[standing] += 1;
    if (standing === 'same' || operations.length >= SHOWN) continue;
    const match = isOne ? only : undefined;
    operations.push({
      operation,
      line,
      standing,
      jobId: match?.jobId ?? null,
      billMicros: amount,
      ledgerMicros: match?.charged ?? null,
    });
  }
  return { from: span.from, to: span.to, days: compared, standings, operations, unbilled, correctedMicros };

  /** One at a time: several would hold the accounts of several owners, in an order of their own. */
  async function correctOne(
    { jobId, attemptId }: NamedAttempt,
    operation: string,
    amount: Micros,
    actor: Actor,
  ): Promise<Micros | undefined> {
    const now = new Date(clock.now());
    return db.transaction().execute(async (tx) => {
      const note = `bill of ${connection}: ${operation.slice(0, 200)}`;
      const difference = await correctTo(tx, jobId, amount, note, now);
      if (difference === undefined || difference === 0) return difference;
      const details = { provider: connection, attemptId, differenceMicros: difference, billMicros: amount };
      await appendAudit(tx, { ...actor, action: 'charge.corrected', subjectId: jobId, details }, now);
      return difference;
    });
  }
}

function standingOf(found: readonly NamedAttempt[], isOne: boolean, amount: Micros): Standing {
  const [only] = found;
  if (!only) return 'unknown';
  if (!isOne) return 'ambiguous';
  // No video pays for it, so no video is corrected.
  if (only.isOrphan) return only.charged === amount ? 'same' : 'orphan';
  if (!only.isSettled) return 'open';
  if (amount < 0) return 'negative';
  return only.charged === amount ? 'same' : 'differs';
}
