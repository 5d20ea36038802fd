import { sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { Micros } from '../core/money.ts';
import { type Recount, recount } from './meters.repository.ts';

/** What the ledger wants to know of a job. */
export interface Charged {
  id: string;
  owner_id: string;
  api_key_id: string | null;
  batch_id: string | null;
  connection: string;
  model: string;
  seconds: number;
  status: string;
  /** What was held for it. */
  estimated_micros: Micros;
  /** What it came to; null when nobody knows, which charges nothing until somebody does. */
  charged_micros: Micros | null;
}

/**
 * SQL that holds the estimate of every job of a CTE `created`, which has the columns of `Charged`, and `created_at`. To be
 * part of the statement that inserts them.
 */
export const HOLD_CREATED = `held as (
    insert into ledger (kind, debit, credit, amount_micros, owner_id, api_key_id, batch_id, connection, model, job_id,
      created_at)
    select 'hold', 'held/' || owner_id, 'reserve', estimated_micros, owner_id, api_key_id, batch_id, connection, model,
      id, created_at
    from created where estimated_micros > 0
    returning debit, amount_micros
  ), balanced as (
    insert into balances as old (account, micros) select debit, sum(amount_micros) from held group by debit
    on conflict (account) do update set micros = old.micros + excluded.micros
    returning account
  )`;

/**
 * Jobs have ended: what was held for each is given back, and what it came to is charged; in the transaction of their end.
 * Doing it again changes nothing.
 */
export async function settle(tx: Transaction<DB>, jobs: readonly Charged[], now: Date): Promise<void> {
  // Free of charge from beginning to end: there is nothing to write.
  await settleBooks(
    tx,
    jobs.filter((job) => job.estimated_micros > 0 || (job.charged_micros ?? 0) > 0),
    now,
  );
  await recount(tx, jobs.map(recountOf));
}

/** Before its end a job counts as a video, and as what was held for it. */
function recountOf(job: Charged): Recount {
  const charged = job.charged_micros ?? 0;
  const unused = isUsed(job, charged) ? 0 : 1;
  return {
    id: job.id,
    micros: charged - job.estimated_micros,
    videos: -unused,
    seconds: -unused * job.seconds,
  };
}

/** What brought no video and cost nothing has not been used. */
function isUsed({ status }: Charged, charged: Micros): boolean {
  return status === 'completed' || charged > 0;
}

/**
 * A job whose end is settled, held until the transaction ends. Undefined when it is gone, open, waits for a provider's word, or
 * was paid for elsewhere.
 */
export async function lockCharged(tx: Transaction<DB>, jobId: string): Promise<Charged | undefined> {
  return tx
    .selectFrom('jobs')
    .selectAll()
    .where('id', '=', jobId)
    .where('finished_at', 'is not', null)
    .where('imported_at', 'is', null)
    .where(sql<boolean>`cancel_outcome is distinct from 'unknown'`)
    .forUpdate()
    .executeTakeFirst();
}

/** What a job has been charged for so far, corrections included. */
export async function chargedSoFar(tx: Transaction<DB>, jobId: string): Promise<Micros> {
  const { rows } = await sql<{ charged: Micros }>`
    select coalesce(sum(case when debit like 'spent/%' then amount_micros else -amount_micros end), 0) as charged
    from ledger where job_id = ${jobId} and kind in ('charge', 'correction')`.execute(tx);
  return rows[0]?.charged ?? 0;
}

async function settleBooks(tx: Transaction<DB>, costly: readonly Charged[], now: Date): Promise<void> {
  if (costly.length === 0) return;
  const ended = costly.map(({ id, owner_id, api_key_id, batch_id, connection, model, charged_micros }) => {
    const charged = charged_micros ?? 0;
    return { id, owner_id, api_key_id, batch_id, connection, model, charged };
  });
  const columns = sql`kind, debit, credit, amount_micros, owner_id, api_key_id, batch_id, connection, model, job_id,
    created_at`;
  const facts = sql`ended.owner_id, ended.api_key_id, ended.batch_id, ended.connection, ended.model, ended.id,
    ${now}::timestamptz`;
  await sql`
    with ended as (
      select * from json_to_recordset(${JSON.stringify(ended)}::json) as ended
        (id text, owner_id text, api_key_id text, batch_id text, connection text, model text, charged bigint)
    ), released as (
      insert into ledger (${columns})
      select 'release', holds.credit, holds.debit, holds.amount_micros, ${facts}
      from ended join ledger as holds on holds.job_id = ended.id and holds.kind = 'hold'
      on conflict (job_id, kind) where kind not in ('correction', 'orphan') do nothing
      returning credit as account, -amount_micros as micros
    ), charged as (
      insert into ledger (${columns})
      select 'charge', 'spent/' || ended.owner_id, 'owed/' || ended.connection, ended.charged, ${facts}
      from ended where ended.charged > 0
      on conflict (job_id, kind) where kind not in ('correction', 'orphan') do nothing
      returning debit as account, amount_micros as micros
    )
    insert into balances as old (account, micros)
    select account, sum(micros) from (table released union all table charged) as moved group by account order by account
    on conflict (account) do update set micros = old.micros + excluded.micros`.execute(tx);
}

/** A bill that says otherwise than the charge: the difference, as an entry of its own, for a locked job. Negative gives back. */
export async function correct(
  tx: Transaction<DB>,
  job: Charged,
  difference: Micros,
  note: string,
  now: Date,
): Promise<void> {
  if (difference === 0) return;
  const sides = [`spent/${job.owner_id}`, `owed/${job.connection}`] as const;
  const [debit, credit] = difference > 0 ? sides : ([sides[1], sides[0]] as const);
  await tx
    .insertInto('ledger')
    .values({
      kind: 'correction',
      debit,
      credit,
      amount_micros: Math.abs(difference),
      owner_id: job.owner_id,
      api_key_id: job.api_key_id,
      batch_id: job.batch_id,
      connection: job.connection,
      model: job.model,
      job_id: job.id,
      note,
      created_at: now,
    })
    .execute();
  await sql`insert into balances as old (account, micros) values (${sides[0]}, ${difference})
    on conflict (account) do update set micros = old.micros + excluded.micros`.execute(tx);
  const before = job.charged_micros ?? 0;
  const used = Number(isUsed(job, before + difference)) - Number(isUsed(job, before));
  await recount(tx, [{ id: job.id, micros: difference, videos: used, seconds: used * job.seconds }]);
}
