import { type Backoff, backoffMs } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import { type FindResult, type Plan, type Provider, ProviderError } from '../providers/provider.ts';
import type { Task } from '../queue/queue.ts';
import { type Attempt, findLiveAttempt, isOperationClaimed } from './attempts.repository.ts';
import { type EngineParts, type JobTask, providerOf } from './engine.ts';
import { type Failure, failJob } from './failure.ts';
import { findJob } from './jobs.repository.ts';
import { moveJob } from './moves.repository.ts';
import { send } from './send.ts';
import { accept, requeue } from './submit.ts';

/** A submission may show up late in an upstream's list: it counts as absent only after this, in ms since the call. */
const GRACE_MS = 60_000;
/** After this long without certainty an operator is asked, in ms since the call. */
const ATTENTION_MS = 15 * 60_000;
/** Before a job that was found not to have been taken is offered again. */
const REOFFER: Backoff = { baseMs: 1000, factor: 2, maxMs: 60_000 };

/**
 * Finds out what became of a paid call whose answer was lost, and never pays twice to do so: the same idempotency key
 * again where the provider promises that it is safe, else a look into the provider's list. Throws to be run again.
 */
export async function reconcile(parts: EngineParts, task: Task<JobTask>): Promise<void> {
  const job = await findJob(parts.db, task.data.jobId);
  const attempt = job?.stage === 'unconfirmed' ? await findLiveAttempt(parts.db, job.id) : undefined;
  if (!job || attempt?.state !== 'unconfirmed' || !attempt.sent_at) return;
  const provider = providerOf(parts.catalog, attempt.connection);
  const age = parts.clock.now() - attempt.sent_at.getTime();

  let result: FindResult = { outcome: 'unknown' };
  try {
    if (provider?.resubmitIsSafe) {
      const operation = await send(parts, provider, job, attempt, parts.clock.now(), task.signal);
      result = { outcome: 'found', operation };
    } else if (provider?.find) {
      result = await look(parts, provider, attempt, task.stopping);
    }
  } catch (error) {
    parts.log.debug({ jobId: job.id, error: errorText(error) }, 'reconcile could not ask');
    if (provider?.resubmitIsSafe && error instanceof ProviderError && error.kind === 'rejected') {
      result = { outcome: 'absent' };
    }
  }

  if (result.outcome === 'found') return accept(parts, attempt, result.operation);
  const sure = provider?.resubmitIsSafe === true || isPastGrace(attempt, parts.clock);
  if (result.outcome === 'absent' && sure) {
    const reason = { code: 'not_accepted', message: 'The provider does not have it.' };
    return requeue(parts, attempt, reason, backoffMs(REOFFER, Math.min(job.tries, 6)), true);
  }
  if (age >= ATTENTION_MS && provider?.resubmitIsSafe !== true) return giveUp(parts, attempt);
  throw new Error('it is still unknown whether the provider took the job');
}

export const UNCONFIRMED: Failure = {
  code: 'submission_unconfirmed',
  message: 'It could not be found out whether the provider took the job.',
  retryable: true,
  charged: null,
};

/** No certainty to be had: an operator is asked, unless the connection's policy says which risk to take. */
async function giveUp(parts: EngineParts, attempt: Attempt): Promise<void> {
  const policy = parts.catalog.connection(attempt.connection)?.whenUnconfirmed ?? 'ask';
  if (policy === 'fail')
    return void (await parts.write((write) => failJob(write, attempt.job_id, UNCONFIRMED)));
  if (policy === 'resend') {
    const reason = { code: 'unconfirmed', message: 'Sent again, as the connection is set to do.' };
    return requeue(parts, attempt, reason, 0, true);
  }
  await parts.write((write) => moveJob(write, attempt.job_id, 'alert', {}, { attempt: attempt.number }));
}

/** Looks for a lost submission in the upstream's list, if it has one. */
export async function look(
  parts: EngineParts,
  provider: Provider,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<FindResult> {
  if (!provider.find || !attempt.sent_at) return { outcome: 'unknown' };
  return provider.find(
    {
      plan: attempt.plan as unknown as Plan,
      idempotencyKey: attempt.id,
      sentAt: attempt.sent_at.getTime(),
      isClaimed: (operation) => isOperationClaimed(parts.db, attempt.connection, operation),
    },
    { signal },
  );
}

/** Whether so much time has passed since the call that a complete list without it means it was not taken. */
export function isPastGrace(attempt: Attempt, clock: Clock): boolean {
  return attempt.sent_at !== null && clock.now() - attempt.sent_at.getTime() >= GRACE_MS;
}
