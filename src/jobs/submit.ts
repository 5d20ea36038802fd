import { type Backoff, backoffMs } from '../core/backoff.ts';
import { type ProviderError } from '../providers/provider.ts';
import type { Task } from '../queue/task.ts';
import { type Attempt, findLiveAttempt, lockAttempt, moveAttempt } from './attempts.repository.ts';
import { endCall, findCalls } from './calls.repository.ts';
import { isSurelyNotTaken } from './calls.ts';
import { beginCall, type Heard, makeCall, writeHeard } from './call.ts';
import { type EngineParts, type JobTask, notServedHere, providerOf } from './engine.ts';
import type { Failure } from './failure.ts';
import type { Job } from './job.ts';
import { findJob } from './jobs.repository.ts';
import { accept, doubt, type Ended, refuse, requeue } from './outcomes.ts';
import { slowDown } from './pace-changes.ts';
import { readReference } from './reference.ts';

/** Waiting before a job that was refused is offered again. */
const REOFFER: Backoff = { baseMs: 2000, factor: 4, maxMs: 5 * 60_000 };
/** A throttled connection asks for patience, not for giving up: such refusals are not counted. */
const THROTTLED: Backoff = { baseMs: 1000, factor: 2, maxMs: 60_000 };
/** Calls of one run of the task: the first, and those that refusals have taught the adapter to make. */
const MOST_CALLS = 3;

/**
 * Makes the paid call of an attempt. It is written down before it goes out; found `sent` already, the call of a former run
 * may have gone through, and nothing is called: reconcile finds out. Throws to be run again.
 */
export async function submit(parts: EngineParts, task: Task<JobTask>): Promise<void> {
  const { jobId } = task.data;
  const job = await findJob(parts.db, jobId);
  const attempt = await findLiveAttempt(parts.db, jobId);
  // Cut off in the call; even if the job was cancelled since then, its duty is to find out.
  if (attempt?.state === 'sent') {
    return doubt(parts, attempt, { code: 'interrupted', message: 'the call was cut off' });
  }
  if (job?.stage !== 'submitting' || attempt?.state !== 'intended') return;

  const provider = providerOf(parts.catalog, attempt.connection);
  if (!provider) throw notServedHere(attempt.connection);
  // Whatever can fail here does so before the call is written down.
  const reference = await readReference(parts.storage, job);
  for (let calls = 1; ; calls += 1) {
    task.stopping.throwIfAborted();
    const call = await beginCall(parts, attempt, 'intended', provider);
    if (!call) return;
    const heard = await makeCall(parts, provider, attempt, call, { reference, task });
    const isToBeMadeAgain = await writeHeard(parts, () => settle(parts, job, attempt, heard));
    if (!isToBeMadeAgain) return;
    if (heard.operation === undefined && (calls >= MOST_CALLS || !heard.error.askAgain)) throw heard.error;
  }
}

/** Writes down what came of a call. True when the attempt is as if it had not been made: another call may follow. */
async function settle(parts: EngineParts, job: Job, attempt: Attempt, heard: Heard): Promise<boolean> {
  const { ended } = heard;
  if (heard.operation !== undefined) {
    await accept(parts, attempt, heard.operation, ended);
    return false;
  }
  const { error } = heard;
  if (error.kind === 'not_sent' || error.askAgain) return takeBack(parts, attempt, ended, error);
  await handleFailure(parts, job, attempt, error, ended);
  return false;
}

/** Proved by this process that nothing was taken: the attempt stands where it stood. */
async function takeBack(
  parts: EngineParts,
  { id, ...attempt }: Attempt,
  ended: Ended,
  { code, message }: ProviderError,
): Promise<boolean> {
  const isBack = await parts.write(async ({ tx, now }) => {
    await lockAttempt(tx, id);
    await endCall(tx, ended.callId, ended.outcome, now);
    if (!isSurelyNotTaken(await findCalls(tx, id))) return false;
    return (await moveAttempt(tx, id, 'intended', now)) !== undefined;
  });
  // Another process took this one for dead, and was left in doubt.
  if (!isBack)
    await requeue(parts, { id, ...attempt }, { code, message }, { waitMs: 0, counts: false, ended });
  return isBack;
}

async function handleFailure(
  parts: EngineParts,
  job: Job,
  attempt: Attempt,
  error: ProviderError,
  ended: Ended,
): Promise<void> {
  switch (error.kind) {
    case 'ambiguous':
      return doubt(parts, attempt, error, ended);
    case 'throttled': {
      const waitMs = error.retryAfterMs ?? backoffMs(THROTTLED, Math.min(job.tries, 8));
      await slowDown(parts, attempt.connection, waitMs);
      return void (await requeue(parts, attempt, error, { waitMs, counts: false, ended }));
    }
    case 'not_sent':
    case 'unavailable':
    case 'unauthorized': {
      const limit = parts.catalog.connection(attempt.connection)?.maxRetries ?? 0;
      if (job.refusals >= limit) return refuse(parts, attempt, failureOf(error, true), ended);
      const waitMs = error.retryAfterMs ?? backoffMs(REOFFER, job.refusals);
      return void (await requeue(parts, attempt, error, { waitMs, counts: true, ended }));
    }
    case 'rejected':
    case 'gone':
      return refuse(parts, attempt, failureOf(error, false), ended);
  }
}

function failureOf(error: ProviderError, retryable: boolean): Failure {
  return { code: error.code, message: error.message, retryable, charged: false };
}
