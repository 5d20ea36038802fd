import { type Kysely, sql, type Transaction } from 'kysely';
import { namedQuery } from '../database/named-query.ts';
import type { DB } from '../database/schema.ts';
import { appendEvents } from '../events/events.repository.ts';
import type { CancelOutcome } from '../providers/provider.ts';
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

/**
 * Inserts a new job and its first event in one statement: one round trip, one commit. With a claim, only if nobody has
 * used that key before; somebody who is using it right now is waited for. False when the key is taken.
 */
export async function insertJob(
  db: Kysely<DB> | Transaction<DB>,
  job: Job,
  claim?: KeyClaim,
): Promise<boolean> {
  const claimed = claim
    ? sql`claimed as (
        insert into idempotency_keys (owner_id, key, fingerprint, response, created_at)
        values (${job.owner_id}, ${claim.key}, ${claim.fingerprint}, ${claim.response}, ${job.created_at})
        on conflict (owner_id, key) do update
          set fingerprint = excluded.fingerprint, response = excluded.response, created_at = excluded.created_at
          where idempotency_keys.created_at < ${claim.expiredBefore}
        returning true
      ),`
    : sql``;
  const statement = sql`
    with ${claimed} created as (
      insert into jobs (id, owner_id, api_key_id, name, status, stage, priority, model, connection, prompt, seconds,
        width, height, plan, reference_key, reference_type, tags, metadata, webhook_url, due_at, estimated_micros,
        fingerprint, created_at, updated_at)
      select ${job.id}, ${job.owner_id}, ${job.api_key_id}, ${job.name}, ${job.status}, ${job.stage}, ${job.priority},
        ${job.model}, ${job.connection}, ${job.prompt}, ${job.seconds}, ${job.width}, ${job.height},
        ${JSON.stringify(job.plan)}::jsonb, ${job.reference_key}, ${job.reference_type}, ${job.tags}::text[],
        ${JSON.stringify(job.metadata)}::jsonb, ${job.webhook_url}, ${job.due_at}::timestamptz,
        ${job.estimated_micros}::bigint, ${job.fingerprint}::uuid, ${job.created_at}::timestamptz,
        ${job.created_at}::timestamptz
      ${claim ? sql`from claimed` : sql``}
      returning id, owner_id, created_at
    ), logged as (
      insert into events (owner_id, job_id, type, data, created_at)
      select owner_id, id, 'job.created', '{}', created_at from created
    )
    select id from created`.compile(db);
  // Prepared once per connection: every create goes through here.
  const name = claim ? 'insert_job_with_key' : 'insert_job';
  return (await namedQuery(db, name, statement.sql, statement.parameters)).length > 0;
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

/** Hides a finished job from its owner; it is removed once nothing waits for it any more. */
export async function hideJob(write: Write, id: string): Promise<void> {
  const job = await write.tx
    .updateTable('jobs')
    .set({ deleted_at: write.now })
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
