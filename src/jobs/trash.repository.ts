import { sql } from 'kysely';
import { appendEvents } from '../events/events.repository.ts';
import type { Job } from './job.ts';
import type { Write } from './write.ts';

/** Moves finished jobs of an owner to the trash. Returns those that were not there before. */
export async function trashJobs(write: Write, ownerId: string, ids: readonly string[]): Promise<Job[]> {
  const jobs = await write.tx
    .updateTable('jobs')
    .set({ deleted_at: write.now, trashed_at: write.now, updated_at: write.now })
    .where('id', 'in', lockedIds(write, ownerId, ids))
    .where('stage', '=', 'finished')
    .where('deleted_at', 'is', null)
    .returningAll()
    .execute();
  await announce(write, jobs, 'job.trashed');
  return jobs;
}

/**
 * Takes jobs of an owner out of the trash. What is hidden only until the provider's answer was deleted for good, and is
 * not there to be restored.
 */
export async function restoreJobs(write: Write, ownerId: string, ids: readonly string[]): Promise<Job[]> {
  const jobs = await write.tx
    .updateTable('jobs')
    .set({ deleted_at: null, trashed_at: null, updated_at: write.now })
    .where('id', 'in', lockedIds(write, ownerId, ids))
    .where('trashed_at', 'is not', null)
    .returningAll()
    .execute();
  await announce(write, jobs, 'job.restored');
  return jobs;
}

/** In one order always, so that two that want the same jobs wait for each other instead of dying of it. */
function lockedIds({ tx }: Write, ownerId: string, ids: readonly string[]) {
  return tx
    .selectFrom('jobs')
    .select('id')
    .where('id', '=', sql<string>`any(${[...ids]}::text[])`)
    .where('owner_id', '=', ownerId)
    .orderBy('id')
    .forUpdate();
}

async function announce(write: Write, jobs: readonly Job[], type: string): Promise<void> {
  for (const { id } of jobs) write.changed(id);
  await appendEvents(
    write.tx,
    jobs.map(({ id, owner_id: ownerId, batch_id: batchId }) => ({
      ownerId,
      jobId: id,
      batchId,
      type,
      at: write.now,
    })),
  );
}
