import { type Kysely, sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { CancelOutcome } from '../providers/provider.ts';
import type { Job, JobStatus } from './job.ts';
import type { Write } from './write.ts';

export interface NewJob {
  id: string;
  ownerId: string;
  apiKeyId: string | null;
  name: string | null;
  priority: number;
  model: string;
  connection: string;
  prompt: string;
  seconds: number;
  width: number;
  height: number;
  plan: object;
  reference: { key: string; contentType: string } | null;
  tags: string[];
  metadata: Record<string, string>;
  webhookUrl: string | null;
  estimatedMicros: number;
  createdAt: Date;
}

/** Inserts a job and its first event in one statement: one round trip, one commit. */
export async function insertJob(db: Kysely<DB> | Transaction<DB>, job: NewJob): Promise<Job> {
  const { rows } = await sql<Job>`
    with created as (
      insert into jobs (id, owner_id, api_key_id, name, status, stage, priority, model, connection, prompt, seconds,
        width, height, plan, reference_key, reference_type, tags, metadata, webhook_url, due_at, estimated_micros,
        created_at, updated_at)
      values (${job.id}, ${job.ownerId}, ${job.apiKeyId}, ${job.name}, 'pending', 'queued', ${job.priority},
        ${job.model}, ${job.connection}, ${job.prompt}, ${job.seconds}, ${job.width}, ${job.height},
        ${JSON.stringify(job.plan)}, ${job.reference?.key ?? null}, ${job.reference?.contentType ?? null},
        ${job.tags}, ${JSON.stringify(job.metadata)}, ${job.webhookUrl}, ${job.createdAt}, ${job.estimatedMicros},
        ${job.createdAt}, ${job.createdAt})
      returning *
    ), logged as (
      insert into events (owner_id, job_id, type, data, created_at)
      select owner_id, id, 'job.created', '{}', created_at from created
    )
    select * from created`.execute(db);
  const [created] = rows;
  if (!created) throw new Error('the database returned no row for an insert');
  return created;
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
  if (job) write.changed(job);
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
  if (job) write.changed(job);
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

/** What came of asking the upstream to stop; only for a job that is already cancelled. */
export async function recordCancelOutcome(
  write: Write,
  id: string,
  outcome: CancelOutcome,
): Promise<Job | undefined> {
  const job = await write.tx
    .updateTable('jobs')
    .set({
      cancel_outcome: outcome,
      charged_micros: outcome === 'cancelled' ? 0 : sql<number>`coalesce(charged_micros, estimated_micros)`,
      updated_at: write.now,
    })
    .where('id', '=', id)
    .where('status', '=', 'cancelled')
    .where('cancel_outcome', '=', 'unknown')
    .returningAll()
    .executeTakeFirst();
  if (job) write.changed(job);
  return job;
}
