import { sql, type UpdateObject } from 'kysely';
import type { DB } from '../database/schema.ts';
import { appendEvents } from '../events/events.repository.ts';
import { settle } from '../usage/ledger.repository.ts';
import { lockAttemptsOf } from './attempts.repository.ts';
import { endBatchItem, lockBatches } from './batch-end.repository.ts';
import { imposeDutyOfJobs } from './duties.repository.ts';
import { type Job, type JobStage, type MoveName, MOVES } from './job.ts';
import type { Write } from './write.ts';

type Changes = Omit<UpdateObject<DB, 'jobs'>, 'id' | 'status' | 'stage' | 'updated_at'>;

/** What a verdict was passed on: the move is refused when the job has got elsewhere since it was read. */
export interface Judged {
  stage: JobStage;
  /** The number of its attempt. */
  tries: number;
}

export interface MoveOptions {
  judged?: Judged | undefined;
  /** `fail`: the upstream may still be at what it took, so it has to be stopped. */
  mayRun?: boolean | undefined;
}

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
  options: MoveOptions = {},
): Promise<Job | undefined> {
  const [job] = await moveJobs(write, [id], name, changes, () => eventData, options);
  return job;
}

/** The same arrow for many jobs at once, in as many statements as for one. Returns those that it moved. */
export async function moveJobs(
  write: Write,
  ids: readonly string[],
  name: MoveName,
  changes: Changes,
  eventDataOf: (job: Job) => object,
  { judged, mayRun = false }: MoveOptions = {},
): Promise<Job[]> {
  const move = MOVES[name];
  const finished = move.to.stage === 'finished' ? { finished_at: write.now } : {};
  const leavesWork = name === 'fail' || name === 'cancel';
  // Before the jobs, as everywhere: in the other order two transactions would wait for each other.
  if (leavesWork) await lockAttemptsOf(write.tx, ids);
  let update = write.tx
    .updateTable('jobs')
    .set({
      ...changes,
      ...finished,
      // What it waited for, it waits for no more.
      last_error: null,
      place_given_up_at: null,
      status: move.to.status,
      stage: move.to.stage,
      updated_at: write.now,
    })
    .where('id', 'in', [...ids])
    .where('stage', 'in', [...move.from]);
  if (judged) update = update.where('stage', '=', judged.stage).where('tries', '=', judged.tries);
  const jobs = await update.returningAll().execute();
  if (jobs.length === 0) return [];
  // What leaves this stage is asked about no more.
  if (move.from.some((stage) => stage === 'rendering')) {
    const moved = jobs.map((job) => job.id);
    await write.tx.deleteFrom('polls').where('job_id', 'in', moved).execute();
    await write.tx.deleteFrom('troubles').where('job_id', 'in', moved).execute();
  } else if (name === 'complete') {
    const moved = jobs.map((job) => job.id);
    await write.tx.deleteFrom('troubles').where('job_id', 'in', moved).execute();
  }
  if (leavesWork) {
    const moved = jobs.map((job) => job.id);
    await imposeDutyOfJobs(write, moved, { mayRun: mayRun || name === 'cancel' });
  }
  for (const job of jobs) write.changed(job.id, job.stage);
  await appendEvents(
    write.tx,
    jobs.map((job) => ({
      ownerId: job.owner_id,
      jobId: job.id,
      batchId: job.batch_id,
      type: move.event,
      data: eventDataOf(job),
      at: write.now,
    })),
  );
  if (move.to.stage === 'finished') {
    const batches = batchesOf(jobs);
    // Before the books, as a retry of a batch does: in the other order they would wait for each other.
    await lockBatches(write, batches);
    await settle(write.tx, jobs.filter(isSettled), write.now);
    for (const batchId of batches) await endBatchItem(write, batchId);
  }
  return jobs;
}

/** Each batch once, and in one order for everybody, so that no two transactions wait for each other. */
function batchesOf(jobs: readonly Job[]): string[] {
  return [...new Set(jobs.map((job) => job.batch_id).filter((id) => id !== null))].toSorted();
}

/**
 * Those of the jobs that wait for their turn, held until the transaction ends. What somebody else is changing right now is
 * left out, not waited for: two that each hold some of the rows would wait for each other.
 */
export async function lockQueued(write: Write, ids: readonly string[]): Promise<string[]> {
  const rows = await write.tx
    .selectFrom('jobs')
    .select('id')
    .where(sql<boolean>`id = any(${ids}::text[])`)
    .where('stage', '=', 'queued')
    .forUpdate()
    .skipLocked()
    .execute();
  return rows.map(({ id }) => id);
}

/** Ended, and known what it costs: a cancelled one may still wait for the provider's word. */
function isSettled(job: Job): boolean {
  return job.stage === 'finished' && job.cancel_outcome !== 'unknown';
}
