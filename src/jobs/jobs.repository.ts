import { type Kysely, sql, type Transaction } from 'kysely';
import { namedQuery } from '../database/named-query.ts';
import type { DB } from '../database/schema.ts';
import { appendEvents } from '../events/events.repository.ts';
import type { CancelOutcome } from '../providers/provider.ts';
import { HOLD_CREATED, settle } from '../usage/ledger.repository.ts';
import { meterCreated } from '../usage/meters.repository.ts';
import type { Job, JobStatus } from './job.ts';
import type { Write } from './write.ts';

/** A client's own key for a creating request, with the answer it is to get from now on. */
export interface KeyClaim {
  key: string;
  fingerprint: string;
  response: string;
  /** A key older than this is free again. */
  expiredBefore: Date;
}

/** What is known of a job when it is created; everything else starts at its column's default. */
const CREATED_COLUMNS = [
  'id',
  'owner_id',
  'user_id',
  'api_key_id',
  'batch_id',
  'batch_index',
  'name',
  'status',
  'stage',
  'priority',
  'model',
  'connection',
  'prompt',
  'seconds',
  'width',
  'height',
  'plan',
  'reference_key',
  'reference_type',
  'asset_id',
  'collection_id',
  'tags',
  'metadata',
  'webhook_url',
  'parent_id',
  'root_id',
  'depth',
  'derivation',
  'derived',
  'due_at',
  'estimated_micros',
  'rate',
  'fingerprint',
  'created_at',
  'updated_at',
] as const satisfies readonly (keyof Job)[];

/**
 * Inserts new jobs, each with its first event and its hold, and counts them against their quotas, in one statement: one
 * round trip, one commit, however many they are. With a claim, only if nobody has used that key before; somebody who is
 * using it right now is waited for. False when the key is taken. Rejects with what `denialsIn` reads when a quota does
 * not suffice: nothing has been inserted then. `zone` is where the days of quotas begin.
 */
export async function insertJobs(
  db: Kysely<DB> | Transaction<DB>,
  jobs: readonly Job[],
  zone: string,
  claim?: KeyClaim,
): Promise<boolean> {
  const [first] = jobs;
  if (!first) return true;
  const rows = jobs.map((job) => Object.fromEntries(CREATED_COLUMNS.map((column) => [column, job[column]])));
  const columns = CREATED_COLUMNS.join(', ');
  const claimed = claim
    ? `claimed as (
        insert into idempotency_keys (owner_id, key, fingerprint, response, created_at)
        values ($4, $5, $6::uuid, $7, $2::timestamptz)
        on conflict (owner_id, key) do update
          set fingerprint = excluded.fingerprint, response = excluded.response, created_at = excluded.created_at
          where idempotency_keys.created_at < $8::timestamptz
        returning true
      ),`
    : '';
  const text = `with ${claimed} created as (
      insert into jobs (${columns})
      select ${columns} from json_populate_recordset(null::jobs, $1::json) ${claim ? 'where exists (select from claimed)' : ''}
      returning id, owner_id, user_id, api_key_id, batch_id, connection, model, seconds, estimated_micros, created_at
    ), ${HOLD_CREATED}, ${meterCreated('$2::timestamptz', '$3::text')}, logged as (
      insert into events (owner_id, job_id, batch_id, type, data, created_at)
      select owner_id, id, batch_id, 'job.created', '{}', created_at from created
    )
    select case when denied.what is null then (select count(*) from created) else deny_quota(denied.what) end as count
    from denied`;
  const claimValues = claim
    ? [first.owner_id, claim.key, claim.fingerprint, claim.response, claim.expiredBefore]
    : [];
  // Prepared once per connection: every create goes through here.
  const name = claim ? 'insert_jobs_with_key' : 'insert_jobs';
  const [answer] = await namedQuery<{ count: number }>(db, name, text, [
    JSON.stringify(rows),
    first.created_at,
    zone,
    ...claimValues,
  ]);
  return answer !== undefined && answer.count > 0;
}

/** Of any owner: for the engine. */
export async function findJob(db: Kysely<DB> | Transaction<DB>, id: string): Promise<Job | undefined> {
  return db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Removes a finished job with its attempts; its events stay. */
export async function deleteJob(write: Write, id: string): Promise<Job | undefined> {
  const job = await write.tx
    .deleteFrom('jobs')
    .where('id', '=', id)
    .where('stage', '=', 'finished')
    .returningAll()
    .executeTakeFirst();
  if (job) write.changed(job.id);
  return job;
}

/** Hides a finished job from its owner, out of the trash too; it is removed once nothing waits for it any more. */
export async function hideJob(write: Write, id: string): Promise<void> {
  const job = await write.tx
    .updateTable('jobs')
    .set({ deleted_at: write.now, trashed_at: null })
    .where('id', '=', id)
    .where('stage', '=', 'finished')
    .returningAll()
    .executeTakeFirst();
  if (job) write.changed(job.id);
}

/** Jobs of everybody, by status. */
export async function countByStatus(db: Kysely<DB>): Promise<Record<JobStatus, number>> {
  const counts = { pending: 0, processing: 0, completed: 0, failed: 0, cancelled: 0 };
  const rows = await db
    .selectFrom('jobs')
    .select(['status', (eb) => eb.fn.countAll<number>().as('count')])
    .groupBy('status')
    .execute();
  for (const row of rows) counts[row.status] = Number(row.count);
  return counts;
}

/** What came of a cancellation, once that is known. */
export type SettledCancel = CancelOutcome | 'not_started';

/** What came of asking the upstream to stop; only for a job that is already cancelled. */
export async function recordCancelOutcome(
  write: Write,
  id: string,
  outcome: SettledCancel,
): Promise<Job | undefined> {
  const job = await write.tx
    .updateTable('jobs')
    .set({
      cancel_outcome: outcome,
      charged_micros: ['cancelled', 'not_started'].includes(outcome)
        ? 0
        : sql<number>`coalesce(charged_micros, estimated_micros)`,
      updated_at: write.now,
    })
    .where('id', '=', id)
    .where('status', '=', 'cancelled')
    .where('cancel_outcome', '=', 'unknown')
    .returningAll()
    .executeTakeFirst();
  if (!job) return undefined;
  write.changed(job.id);
  await settle(write.tx, [job], write.now);
  const event = {
    ownerId: job.owner_id,
    jobId: id,
    type: 'job.cancel_settled',
    data: { outcome },
    at: write.now,
  };
  await appendEvents(write.tx, [event]);
  return job;
}
