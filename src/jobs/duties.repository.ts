import type { Kysely, Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { Attempt } from './attempts.repository.ts';
import { TASKS } from './engine.ts';
import type { Write } from './write.ts';

/** How a duty to stop ended. */
export type StopOutcome = NonNullable<Attempt['stop_outcome']>;

/** A client that waits for the upstream's word asks by itself; the task comes behind it, in ms. */
const TASK_DELAY_MS = 10_000;

/**
 * What may run upstream for these attempts is not wanted any more: it has to be stopped, whatever became of their jobs.
 * In the transaction in which that becomes so; doing it again changes nothing.
 */
export async function imposeDuty(write: Write, attemptIds: readonly string[]): Promise<void> {
  if (attemptIds.length === 0) return;
  const rows = await write.tx
    .updateTable('attempts')
    .set({ duty: 'stop', duty_at: write.now })
    .where('id', 'in', attemptIds)
    .where('duty', 'is', null)
    .where('stop_outcome', 'is', null)
    .returning('job_id')
    .execute();
  const jobIds = [...new Set(rows.map(({ job_id: jobId }) => jobId))];
  await write.queue.send(
    write.tx,
    TASKS.stop,
    jobIds.map((jobId) => ({ key: jobId, data: { jobId }, delayMs: TASK_DELAY_MS })),
  );
}

/**
 * Jobs have ended without their videos: what may still run for them has to be stopped. `mayRun`: the upstream has not said
 * that it is done with what it took.
 */
export async function imposeDutyOfJobs(
  write: Write,
  jobIds: readonly string[],
  { mayRun }: { mayRun: boolean },
): Promise<void> {
  const states: Attempt['state'][] = mayRun ? ['sent', 'unconfirmed', 'accepted'] : ['sent', 'unconfirmed'];
  const rows = await write.tx
    .selectFrom('attempts')
    .select('id')
    .where('job_id', 'in', [...jobIds])
    .where('state', 'in', states)
    .execute();
  await imposeDuty(
    write,
    rows.map(({ id }) => id),
  );
}

/** The attempts of a job that have to be stopped. */
export async function findDuties(db: Kysely<DB> | Transaction<DB>, jobId: string): Promise<Attempt[]> {
  return db
    .selectFrom('attempts')
    .selectAll()
    .where('job_id', '=', jobId)
    .where('duty', 'is not', null)
    .orderBy('number')
    .execute();
}

/** Notes, right before it is done, that the upstream is told to stop. */
export async function noteStopSent(db: Kysely<DB>, id: string, now: Date): Promise<void> {
  await db
    .updateTable('attempts')
    .set({ stop_sent_at: now })
    .where('id', '=', id)
    .where('stop_sent_at', 'is', null)
    .execute();
}

/** Ends a duty with what came of it. Undefined when it had ended before. */
export async function endDuty(
  tx: Transaction<DB>,
  id: string,
  outcome: StopOutcome,
): Promise<Attempt | undefined> {
  return tx
    .updateTable('attempts')
    .set({ duty: null, stop_outcome: outcome })
    .where('id', '=', id)
    .where('duty', 'is not', null)
    .returningAll()
    .executeTakeFirst();
}

/** Jobs with duties since before `before` (and not since before `since`), the oldest first. */
export async function findJobsWithDuties(
  db: Kysely<DB>,
  { since, before }: { since?: Date; before: Date },
  limit: number,
): Promise<string[]> {
  let query = db
    .selectFrom('attempts')
    .select('job_id')
    .where('duty', 'is not', null)
    .where('duty_at', '<', before);
  if (since) query = query.where('duty_at', '>=', since);
  const rows = await query.orderBy('duty_at').limit(limit).execute();
  return [...new Set(rows.map(({ job_id: jobId }) => jobId))];
}
