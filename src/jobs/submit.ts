import { type Backoff, backoffMs } from '../core/backoff.ts';
import { appendEvents } from '../events/events.repository.ts';
import { type Operation, ProviderError } from '../providers/provider.ts';
import type { Task } from '../queue/queue.ts';
import { countRunning } from './admission.repository.ts';
import { type Attempt, findAttempt, findLiveAttempt, moveAttempt } from './attempts.repository.ts';
import { attemptKey, type EngineParts, type JobTask, providerOf, STEP_RESCUE_MS, TASKS } from './engine.ts';
import { type Failure, failJob } from './failure.ts';
import type { Job } from './job.ts';
import { findJob } from './jobs.repository.ts';
import { moveJob } from './moves.repository.ts';
import { slowedDown, spedUp } from './pace.ts';
import { isSlowed, lockPace, savePace } from './pace.repository.ts';
import { beginPolls } from './poll.repository.ts';
import { send } from './send.ts';
import type { Write } from './write.ts';

/** Waiting before a job that was surely not taken is offered again. */
const REOFFER: Backoff = { baseMs: 2000, factor: 4, maxMs: 5 * 60_000 };
/** A throttled connection asks for patience, not for giving up: such refusals are not counted. */
const THROTTLED: Backoff = { baseMs: 1000, factor: 2, maxMs: 60_000 };

/**
 * Makes the one paid call of an attempt. The attempt is committed as `sent` before the call; found `sent` already, the
 * call of a former run may have gone through, and nothing is called: reconcile finds out.
 */
export async function submit(parts: EngineParts, task: Task<JobTask>): Promise<void> {
  const { jobId } = task.data;
  const job = await findJob(parts.db, jobId);
  const attempt = await findLiveAttempt(parts.db, jobId);
  // Cut off in the call; even if the job was cancelled since then, somebody has to find out.
  if (attempt?.state === 'sent') return doubt(parts, attempt, 'interrupted', 'the call was cut off');
  if (job?.stage !== 'submitting' || attempt?.state !== 'intended') return;

  const provider = providerOf(parts.catalog, attempt.connection);
  if (!provider) return refuse(parts, attempt, connectionMissing(attempt.connection));
  const sentAt = parts.clock.now();
  const sent = await moveAttempt(parts.db, attempt.id, 'sent', new Date(sentAt));
  if (!sent) return;
  try {
    await accept(parts, attempt, await send(parts, provider, job, attempt, sentAt, task.signal));
  } catch (error) {
    // What is no word of the provider's is the database's: the task runs again, and finds the attempt sent.
    if (!(error instanceof ProviderError)) throw error;
    await handleFailure(parts, job, attempt, error);
  }
}

/** The upstream has the work: its operation is stored and polling begins. Also when the answer came late. */
export async function accept(parts: EngineParts, attempt: Attempt, operation: Operation): Promise<void> {
  await parts.write(async (write) => {
    const accepted = await moveAttempt(write.tx, attempt.id, 'accepted', write.now, { operation });
    if (!accepted) return noteOrphan(parts, write, attempt);
    const moved = await moveJob(
      write,
      attempt.job_id,
      'accept',
      { due_at: write.now },
      { attempt: attempt.number },
    );
    if (moved) await beginPolls(write, attempt.job_id, attempt.connection, write.now);
    await speedUp(parts, write, attempt.connection);
    // Cancelled meanwhile: the upstream has to be told.
    if (!moved) await sendTask(write, TASKS.stop, attempt.job_id);
  });
}

/**
 * The upstream took a job of which it was thought for certain that it had not. It should never happen; if it does, the
 * log and the job's events say so, since somebody pays for it.
 */
async function noteOrphan(parts: EngineParts, write: Write, { id, job_id: jobId }: Attempt): Promise<void> {
  const attempt = await findAttempt(write.tx, id);
  if (attempt?.state !== 'rejected') return;
  parts.log.error(
    { jobId, attemptId: id },
    'the provider took a job that was thought not to have been taken',
  );
  const job = await findJob(write.tx, jobId);
  if (!job) return;
  const data = { attempt: attempt.number };
  await appendEvents(write.tx, [{ ownerId: job.owner_id, jobId, type: 'job.orphaned', data, at: write.now }]);
}

async function slowDown(parts: EngineParts, connection: string, waitMs: number): Promise<void> {
  await parts.write(async (write) => {
    const pace = await lockPace(write, connection);
    if (!pace) return;
    const { running } = await countRunning(write, connection);
    await savePace(write, connection, slowedDown(pace, running, waitMs, write.now));
  });
}

/** Costs a look while all is well; the row is only locked when there is something to win back. */
async function speedUp(parts: EngineParts, write: Write, name: string): Promise<void> {
  const connection = parts.catalog.connection(name);
  if (!connection || !(await isSlowed(write, name))) return;
  const pace = await lockPace(write, name);
  if (pace) await savePace(write, name, spedUp(pace, connection));
}

async function handleFailure(
  parts: EngineParts,
  job: Job,
  attempt: Attempt,
  error: ProviderError,
): Promise<void> {
  switch (error.kind) {
    case 'ambiguous':
      return doubt(parts, attempt, error.code, error.message);
    case 'throttled': {
      const waitMs = error.retryAfterMs ?? backoffMs(THROTTLED, Math.min(job.tries, 8));
      await slowDown(parts, attempt.connection, waitMs);
      return requeue(parts, attempt, error, waitMs);
    }
    case 'unavailable':
    case 'unauthorized': {
      const limit = parts.catalog.connection(attempt.connection)?.maxRetries ?? 0;
      if (job.refusals < limit) {
        return requeue(parts, attempt, error, error.retryAfterMs ?? backoffMs(REOFFER, job.refusals), true);
      }
      return refuse(parts, attempt, failureOf(error, true));
    }
    case 'rejected':
    case 'gone':
      return refuse(parts, attempt, failureOf(error, false));
  }
}

function failureOf(error: ProviderError, retryable: boolean): Failure {
  return { code: error.code, message: error.message, retryable, charged: false };
}

function connectionMissing(name: string): Failure {
  return {
    code: 'connection_missing',
    message: `The connection ${name} is no longer configured.`,
    retryable: false,
    charged: false,
  };
}

/** Surely not taken, and asking again is no use. */
async function refuse(parts: EngineParts, attempt: Attempt, failure: Failure): Promise<void> {
  await parts.write(async (write) => {
    await moveAttempt(write.tx, attempt.id, 'rejected', write.now, { error: failure });
    await failJob(write, attempt.job_id, failure);
  });
}

/** Surely not taken: back into the queue for later. */
export async function requeue(
  parts: EngineParts,
  attempt: Attempt,
  error: { code: string; message: string },
  waitMs: number,
  counts = false,
): Promise<void> {
  await parts.write(async (write) => {
    const rejected = await moveAttempt(write.tx, attempt.id, 'rejected', write.now, { error });
    if (!rejected) return;
    const job = await findJob(write.tx, attempt.job_id);
    if (!job) return;
    await moveJob(
      write,
      job.id,
      'requeue',
      {
        due_at: new Date(write.now.getTime() + waitMs),
        started_at: null,
        ...(counts ? { refusals: job.refusals + 1 } : {}),
      },
      { attempt: attempt.number, code: error.code, waitMs },
    );
  });
}

/** Nobody knows whether the upstream took it. */
async function doubt(parts: EngineParts, attempt: Attempt, code: string, message: string): Promise<void> {
  await parts.write(async (write) => {
    const unconfirmed = await moveAttempt(write.tx, attempt.id, 'unconfirmed', write.now, {
      error: { code, message },
    });
    if (!unconfirmed) return;
    const due = new Date(write.now.getTime() + STEP_RESCUE_MS);
    const moved = await moveJob(
      write,
      attempt.job_id,
      'doubt',
      { due_at: due },
      { attempt: attempt.number, code },
    );
    if (moved) await sendReconcile(write, attempt);
    else await sendTask(write, TASKS.stop, attempt.job_id);
  });
}

/** Keyed by attempt: the task of the attempt before may still be ending. */
async function sendReconcile(write: Write, attempt: Attempt): Promise<void> {
  const { job_id: jobId, number } = attempt;
  await write.queue.send(write.tx, TASKS.reconcile, [{ key: attemptKey(jobId, number), data: { jobId } }]);
}

async function sendTask(write: Write, name: string, jobId: string): Promise<void> {
  await write.queue.send(write.tx, name, [{ key: jobId, data: { jobId } }]);
}
