import { type Operation } from '../providers/provider.ts';
import { appendEvents } from '../events/events.repository.ts';
import { type Attempt, findClaim, lockAttempt, moveAttempt } from './attempts.repository.ts';
import { type CallOutcome, endCall, findCalls } from './calls.repository.ts';
import { isUnderWay } from './calls.ts';
import { imposeDuty } from './duties.repository.ts';
import { attemptKey, type EngineParts, STEP_RESCUE_MS, TASKS } from './engine.ts';
import { type Failure, failJob } from './failure.ts';
import { findJob } from './jobs.repository.ts';
import { moveJob } from './moves.repository.ts';
import { speedUp } from './pace-changes.ts';
import { beginPolls } from './poll.repository.ts';
import type { Write } from './write.ts';

/** How a call ended, written down together with what follows from it. */
export interface Ended {
  callId: number;
  outcome: CallOutcome;
}

/**
 * The upstream has the work: its operation is stored and polling begins, also when the answer came late. What nothing here
 * waits for any more becomes a duty of the attempt: it is stopped.
 */
export async function accept(
  parts: EngineParts,
  { id, job_id: jobId }: Attempt,
  operation: Operation,
  ended?: Ended,
): Promise<void> {
  await parts.write(async (write) => {
    const attempt = await lockAttempt(write.tx, id);
    if (ended) await endCall(write.tx, ended.callId, ended.outcome, write.now);
    if (!attempt || attempt.state === 'accepted' || attempt.state === 'orphaned') return;
    const claim = await findClaim(write.tx, attempt.connection, operation);
    if (claim) return contradict(parts, write, attempt, claim);
    if (attempt.state === 'rejected') return orphan(parts, write, attempt, operation);
    await moveAttempt(write.tx, id, 'accepted', write.now, { operation });
    const moved = await moveJob(write, jobId, 'accept', { due_at: write.now }, { attempt: attempt.number });
    if (moved) await beginPolls(write, jobId, attempt.connection, write.now);
    else await imposeDuty(write, [id]);
    await speedUp(parts, write, attempt.connection);
  });
}

/**
 * The upstream took an attempt of which it had been concluded that it had not: it is stopped, and what it costs is on the
 * books of the connection, not of the job's owner.
 */
async function orphan(
  parts: EngineParts,
  write: Write,
  attempt: Attempt,
  operation: Operation,
): Promise<void> {
  const { id, job_id: jobId, number } = attempt;
  parts.log.error(
    { jobId, attemptId: id },
    'the provider took a job that was thought not to have been taken',
  );
  await moveAttempt(write.tx, id, 'orphaned', write.now, { operation });
  await imposeDuty(write, [id]);
  await note(write, jobId, 'job.orphaned', { attempt: number });
}

/**
 * Another attempt has this operation already, from the provider's list or an operator's word. For an attempt of the same
 * job that is the same video; else one of the two claims is wrong, and a person has to look.
 */
async function contradict(parts: EngineParts, write: Write, attempt: Attempt, claim: Attempt): Promise<void> {
  const { id, job_id: jobId, number } = attempt;
  if (claim.job_id === jobId) return;
  parts.log.error(
    { jobId, attemptId: id, claimedBy: claim.job_id },
    'an operation that another job has was given to this one too',
  );
  if (attempt.state === 'sent') await moveAttempt(write.tx, id, 'unconfirmed', write.now);
  await moveJob(write, jobId, 'doubt', {}, { attempt: number, code: 'operation_claimed' });
  await moveJob(write, jobId, 'alert', {}, { attempt: number, code: 'operation_claimed' });
}

/** Proved not to have been taken, and asking again is no use. */
export async function refuse(
  parts: EngineParts,
  { id, job_id: jobId }: Attempt,
  failure: Failure,
  ended?: Ended,
): Promise<void> {
  await parts.write(async (write) => {
    if (!(await reject(write, id, failure, ended))) return;
    await failJob(write, jobId, failure);
  });
}

/** Proved not to have been taken: back into the queue for later. False when a call may be alive, or the attempt has moved on. */
export async function requeue(
  parts: Pick<EngineParts, 'write'>,
  { id, job_id: jobId, number }: Attempt,
  error: { code: string; message: string; evidence?: object },
  { waitMs, counts, ended }: { waitMs: number; counts: boolean; ended?: Ended | undefined },
): Promise<boolean> {
  return parts.write(async (write) => {
    if (!(await reject(write, id, error, ended))) return false;
    const job = await findJob(write.tx, jobId);
    if (!job) return true;
    const changes = {
      due_at: new Date(write.now.getTime() + waitMs),
      started_at: null,
      ...(counts ? { refusals: job.refusals + 1 } : {}),
    };
    const { code, evidence } = error;
    await moveJob(write, jobId, 'requeue', changes, { attempt: number, code, waitMs, ...evidence });
    return true;
  });
}

/** Rejects an attempt, unless one of its calls may be alive: then nothing can be said of it yet. */
async function reject(
  write: Write,
  id: string,
  error: { code: string; message: string },
  ended: Ended | undefined,
): Promise<boolean> {
  const attempt = await lockAttempt(write.tx, id);
  if (ended) await endCall(write.tx, ended.callId, ended.outcome, write.now);
  if (!attempt) return false;
  if (isUnderWay(attempt, await findCalls(write.tx, id), write.now.getTime())) return false;
  return (await moveAttempt(write.tx, id, 'rejected', write.now, { error })) !== undefined;
}

/** Writes down how a call ended of which nothing else follows. */
export async function writeEnded(
  parts: Pick<EngineParts, 'write'>,
  { id }: Pick<Attempt, 'id'>,
  { callId, outcome }: Ended,
): Promise<void> {
  await parts.write(async ({ tx, now }) => {
    await lockAttempt(tx, id);
    await endCall(tx, callId, outcome, now);
  });
}

/** It is unknown whether the upstream took it: reconcile finds out or, when it is not wanted any more, stop does. */
export async function doubt(
  parts: Pick<EngineParts, 'write'>,
  { id, job_id: jobId, number }: Attempt,
  error: { code: string; message: string },
  ended?: Ended,
): Promise<void> {
  await parts.write(async (write) => {
    const attempt = await lockAttempt(write.tx, id);
    if (ended) await endCall(write.tx, ended.callId, ended.outcome, write.now);
    if (attempt?.state !== 'sent') return;
    await moveAttempt(write.tx, id, 'unconfirmed', write.now, { error });
    const due = new Date(write.now.getTime() + STEP_RESCUE_MS);
    const moved = await moveJob(
      write,
      jobId,
      'doubt',
      { due_at: due },
      { attempt: number, code: error.code },
    );
    if (!moved) return imposeDuty(write, [id]);
    // Keyed by attempt: the task of the attempt before may still be ending.
    await write.queue.send(write.tx, TASKS.reconcile, [{ key: attemptKey(jobId, number), data: { jobId } }]);
  });
}

async function note(write: Write, jobId: string, type: string, data: object): Promise<void> {
  const job = await findJob(write.tx, jobId);
  if (!job) return;
  await appendEvents(write.tx, [
    { ownerId: job.owner_id, jobId, batchId: job.batch_id, type, data, at: write.now },
  ]);
}
