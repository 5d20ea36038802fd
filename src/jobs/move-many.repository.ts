import { sql, type UpdateObject } from 'kysely';
import type { DB } from '../database/schema.ts';
import { appendEvents } from '../events/events.repository.ts';
import { endBatchItem } from './batch-end.repository.ts';
import { type Job, type JobStage, MOVES } from './job.ts';
import type { Write } from './write.ts';

type Changes = Omit<UpdateObject<DB, 'jobs'>, 'id' | 'status' | 'stage' | 'updated_at'>;

/**
 * `moveJob` for many jobs that have not been offered to any upstream, in one statement. What somebody else is changing
 * right now is left out, not waited for: two that each hold some of the rows would wait for each other. Returns the
 * jobs that moved; the others are the caller's to take one by one. Some thousands at a time.
 */
export async function moveJobs(
  write: Write,
  ids: readonly string[],
  name: 'cancel' | 'fail',
  changes: Changes,
  eventData: object = {},
): Promise<Job[]> {
  if (ids.length === 0) return [];
  const { to, event } = MOVES[name];
  const from: JobStage = 'queued';
  const jobs = await write.tx
    .updateTable('jobs')
    .set({ ...changes, ...to, finished_at: write.now, updated_at: write.now })
    .where('id', 'in', (select) =>
      select
        .selectFrom('jobs')
        .select('id')
        .where(sql<boolean>`id = any(${ids}::text[])`)
        .where('stage', '=', from)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .execute();
  const events = jobs.map(({ id, owner_id: ownerId, batch_id: batchId }) => {
    return { ownerId, jobId: id, batchId, type: event, data: eventData, at: write.now };
  });
  await appendEvents(write.tx, events);
  for (const { id, stage } of jobs) write.changed(id, stage);
  const batches = new Set(jobs.map((job) => job.batch_id).filter((id) => id !== null));
  // In one order for everybody, so that no two wait for each other.
  for (const batchId of [...batches].toSorted()) await endBatchItem(write, batchId);
  return jobs;
}
