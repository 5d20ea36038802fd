import { type Kysely, sql, type Transaction } from 'kysely';
import type { Micros } from '../core/money.ts';
import type { DB } from '../database/schema.ts';
import type { LedgerDay } from './bills.ts';
import { chargedSoFar, correct, lockCharged } from './ledger.repository.ts';

/**
 * What a connection is owed for, by day and by the provider's own name of the model; both days are included. What no job pays
 * for is owed too.
 */
export async function owedByDay(
  db: Kysely<DB>,
  connection: string,
  { from, to, timeZone }: { from: string; to: string; timeZone: string },
): Promise<LedgerDay[]> {
  // The alias that was asked for is no name of the provider's; a video that has been deleted has left nothing else.
  const { rows } = await sql<LedgerDay>`
    select to_char(ledger.created_at at time zone ${timeZone}, 'YYYY-MM-DD') as day,
      coalesce(jobs.plan ->> 'upstreamModel', ledger.model) as model,
      coalesce(sum(jobs.seconds) filter (where ledger.kind = 'charge'), 0) as seconds,
      sum(case when credit like 'owed/%' then amount_micros else -amount_micros end) as amount
    from ledger left join jobs on jobs.id = ledger.job_id
    where ledger.connection = ${connection} and ledger.kind in ('charge', 'correction', 'orphan')
      and ledger.created_at >= (${from}::timestamp at time zone ${timeZone})
      and ledger.created_at < ((${to}::timestamp + interval '1 day') at time zone ${timeZone})
    group by 1, 2`.execute(db);
  return rows;
}

export interface NamedAttempt {
  operation: string;
  attemptId: string;
  jobId: string;
  /** Ended, and nothing is awaited from the provider any more. */
  isSettled: boolean;
  /** No job pays for it: what it costs stands on the connection's account. */
  isOrphan: boolean;
  /** What the job has been charged; of an orphan, what the books say it costs. */
  charged: Micros;
}

/** The attempts of a connection that operations belong to, by the provider's id or by the key that was sent with it. */
export async function findNamedAttempts(
  db: Kysely<DB>,
  connection: string,
  operations: readonly string[],
): Promise<NamedAttempt[]> {
  const { rows } = await sql<NamedAttempt>`
    select named.operation, attempts.id as "attemptId", jobs.id as "jobId",
      jobs.finished_at is not null and jobs.cancel_outcome is distinct from 'unknown' as "isSettled",
      attempts.state = 'orphaned' or orphans.id is not null as "isOrphan",
      case when attempts.state = 'orphaned' or orphans.id is not null then coalesce(orphans.amount_micros, 0)
        else ${chargedOf()} end as charged
    from unnest(${operations}::text[]) as named (operation)
    join lateral (
      select id, job_id, state from attempts where connection = ${connection} and operation is not null
        and md5(attempts.operation ->> 'id') = md5(named.operation)
      union
      select id, job_id, state from attempts where connection = ${connection} and id = named.operation and state <> 'rejected'
    ) as attempts on true
    join jobs on jobs.id = attempts.job_id
    left join ledger as orphans on orphans.kind = 'orphan' and orphans.attempt_id = attempts.id`.execute(db);
  return rows;
}

/** What a job has been charged for so far, corrections included. */
function chargedOf() {
  return sql<Micros>`(
    select coalesce(sum(case when debit like 'spent/%' then amount_micros else -amount_micros end), 0) from ledger
    where job_id = jobs.id and kind in ('charge', 'correction'))`;
}

/** Charged jobs of a connection whose attempt is none of those, as far as they are shown; with how many there are. */
export async function findUnbilled(
  db: Kysely<DB>,
  connection: string,
  { from, to, timeZone }: { from: string; to: string; timeZone: string },
  billed: readonly string[],
  shown: number,
): Promise<{ count: number; jobs: { jobId: string; charged: Micros }[] }> {
  const { rows } = await sql<{ jobId: string; charged: Micros; count: number }>`
    select job_id as "jobId", amount_micros as charged, count(*) over () as count from ledger
    where connection = ${connection} and kind = 'charge' and not job_id = any(${billed}::text[])
      and created_at >= (${from}::timestamp at time zone ${timeZone})
      and created_at < ((${to}::timestamp + interval '1 day') at time zone ${timeZone})
    order by id limit ${shown}`.execute(db);
  return { count: rows[0]?.count ?? 0, jobs: rows.map(({ jobId, charged }) => ({ jobId, charged })) };
}

/**
 * Makes a job cost what the bill says, by an entry of the difference. The job is held meanwhile, so that the same bill
 * twice corrects once. The difference; undefined when the job is gone or open again.
 */
export async function correctTo(
  tx: Transaction<DB>,
  jobId: string,
  amount: Micros,
  note: string,
  now: Date,
): Promise<Micros | undefined> {
  const job = await lockCharged(tx, jobId);
  if (!job) return undefined;
  const difference = amount - (await chargedSoFar(tx, jobId));
  if (difference === 0) return 0;
  await correct(tx, job, difference, note, now);
  await tx
    .updateTable('jobs')
    .set({ charged_micros: amount, updated_at: now })
    .where('id', '=', jobId)
    .execute();
  return difference;
}
