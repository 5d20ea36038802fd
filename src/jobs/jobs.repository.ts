import { type Kysely, sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import { appendEvents } from '../events/events.repository.ts';
import type { CancelOutcome } from '../providers/provider.ts';
import { settle } from '../usage/ledger.repository.ts';
import type { Job, JobStatus } from './job.ts';
import type { Write } from './write.ts';

/** Of any owner: for the engine. */
export async function findJob(db: Kysely<DB> | Transaction<DB>, id: string): Promise<Job | undefined> {
  return db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Which of these jobs have a file that is being fetched. */
export async function stillArchiving(db: Kysely<DB>, ids: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('jobs')
    .select('id')
    .where(sql<boolean>`id = any(${ids}::text[])`)
    .where('stage', '=', 'archiving')
    .execute();
  return rows.map(({ id }) => id);
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
export type SettledCancel = CancelOutcome | 'not_started' | 'written_off';

/**
 * What came of asking the upstream to stop; only for a job that is already cancelled. What is not billed, or was never
 * answered, costs its owner nothing, unless the provider has said before what it costs.
 */
export async function recordCancelOutcome(
  write: Write,
  id: string,
  outcome: SettledCancel,
): Promise<Job | undefined> {
  const job = await write.tx
    .updateTable('jobs')
    .set({
      cancel_outcome: outcome,
      charged_micros: ['cancelled', 'not_started', 'written_off'].includes(outcome)
        ? sql<number>`coalesce(charged_micros, 0)`
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
