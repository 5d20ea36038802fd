import type { UpdateObject } from 'kysely';
import type { DB } from '../database/schema.ts';
import { appendEvents } from '../events/events.repository.ts';
import { endBatchItem } from './batch-end.repository.ts';
import { type Job, type MoveName, MOVES } from './job.ts';
import type { Write } from './write.ts';

type Changes = Omit<UpdateObject<DB, 'jobs'>, 'id' | 'status' | 'stage' | 'updated_at'>;

/**
 * The only writer of a job's status and stage: one guarded UPDATE, with its event. Returns the job as it is now, or
 * nothing when it was not at the start of this arrow: somebody else was first, and nothing has changed.
 */
export async function moveJob(
  write: Write,
  id: string,
  name: MoveName,
  changes: Changes = {},
  eventData: object = {},
): Promise<Job | undefined> {
  const move = MOVES[name];
  const finished = move.to.stage === 'finished' ? { finished_at: write.now } : {};
  const job = await write.tx
    .updateTable('jobs')
    .set({ ...changes, ...finished, status: move.to.status, stage: move.to.stage, updated_at: write.now })
    .where('id', '=', id)
    .where('stage', 'in', [...move.from])
    .returningAll()
    .executeTakeFirst();
  if (!job) return undefined;
  // What leaves this stage is asked about no more.
  if (move.from.some((stage) => stage === 'rendering')) {
    await write.tx.deleteFrom('polls').where('job_id', '=', id).execute();
  }
  write.changed(job.id, job.stage);
  await appendEvents(write.tx, [
    {
      ownerId: job.owner_id,
      jobId: job.id,
      batchId: job.batch_id,
      type: move.event,
      data: eventData,
      at: write.now,
    },
  ]);
  if (job.batch_id !== null && job.stage === 'finished') await endBatchItem(write, job.batch_id);
  return job;
}
