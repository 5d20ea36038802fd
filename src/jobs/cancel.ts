import { sql } from 'kysely';
import { AppError, errorText } from '../core/errors.ts';
import { type CancelOutcome, type Operation, type Provider, ProviderError } from '../providers/provider.ts';
import type { Task } from '../queue/queue.ts';
import { type Attempt, findLiveAttempt, moveAttempt, withdrawAttempt } from './attempts.repository.ts';
import { type EngineParts, type JobTask, providerOf, TASKS } from './engine.ts';
import type { Job } from './job.ts';
import { deleteJob, findJob, recordCancelOutcome, type SettledCancel } from './jobs.repository.ts';
import { lockQueued, moveJob, moveJobs } from './moves.repository.ts';
import { isPastGrace, look } from './reconcile.ts';

/** How long a client waits for the upstream's word; after that the task goes on alone. */
const INLINE_TIMEOUT_MS = 5000;
const TASK_DELAY_MS = 10_000;
const STOP_TIMEOUT_MS = 20_000;

/**
 * Cancels an open job. First it is cancelled here, for good; then the upstream is asked to stop. Throws
 * `job_already_finished` when it had come to its end before. Returns the job with what is known when patience ends.
 */
export async function cancelJob(
  parts: EngineParts,
  id: string,
  patience: AbortSignal = AbortSignal.timeout(INLINE_TIMEOUT_MS),
): Promise<Job> {
  const cancelled = await parts.write(async (write) => {
    // An attempt that has not been sent is withdrawn in the same breath: then nothing was and will be asked for.
    const attempt = await findLiveAttempt(write.tx, id);
    const withdrawn = attempt !== undefined && (await withdrawAttempt(write.tx, attempt.id, write.now));
    const notStarted = withdrawn ? sql<boolean>`true` : sql<boolean>`stage = 'queued'`;
    const job = await moveJob(write, id, 'cancel', {
      cancel_outcome: sql<
        'not_started' | 'unknown'
      >`case when ${notStarted} then 'not_started' else 'unknown' end`,
      charged_micros: sql<number>`case when ${notStarted} then 0 end`,
      estimated_at: null,
    });
    // Rolls the withdrawal back too: a finished job keeps its attempts as they are.
    if (!job) throw new AppError('job_already_finished');
    if (job.cancel_outcome === 'unknown') {
      const startAfter = new Date(write.now.getTime() + TASK_DELAY_MS);
      await write.queue.send(write.tx, TASKS.stop, [{ key: id, data: { jobId: id }, startAfter }]);
    }
    return job;
  });
  if (cancelled.cancel_outcome !== 'unknown' || patience.aborted) return cancelled;
  try {
    return (await stopUpstream(parts, id, patience)) ?? cancelled;
  } catch (error) {
    parts.log.info(
      { jobId: id, error: errorText(error) },
      'the provider has not answered the cancellation yet',
    );
    return cancelled;
  }
}

/**
 * Cancels those of the jobs that wait for their turn, all at once: nothing was asked of any provider. Returns them; the
 * others, and those that somebody is changing right now, are left as they are. Some thousands at a time.
 */
export function cancelQueued(parts: Pick<EngineParts, 'write'>, ids: readonly string[]): Promise<Job[]> {
  const changes = { cancel_outcome: 'not_started', charged_micros: 0, estimated_at: null } as const;
  return parts.write(async (write) => {
    const waiting = await lockQueued(write, ids);
    return waiting.length === 0 ? [] : moveJobs(write, waiting, 'cancel', changes, () => ({}));
  });
}

/** The task behind it: asks until the upstream has said what came of it. */
export async function stop(parts: EngineParts, task: Task<JobTask>): Promise<void> {
  const patience = AbortSignal.any([task.stopping, AbortSignal.timeout(STOP_TIMEOUT_MS)]);
  await stopUpstream(parts, task.data.jobId, patience);
}

async function stopUpstream(
  parts: EngineParts,
  jobId: string,
  signal: AbortSignal,
): Promise<Job | undefined> {
  const job = await findJob(parts.db, jobId);
  if (job?.status !== 'cancelled' || job.cancel_outcome !== 'unknown') return job;
  const outcome = await askToStop(parts, jobId, signal);
  return parts.write(async (write) => {
    const settled = await recordCancelOutcome(write, jobId, outcome);
    // Its owner deleted it meanwhile: nothing waits for it any more.
    if (settled?.deleted_at && !settled.trashed_at) await deleteJob(write, jobId);
    return settled;
  });
}

/** What became of the work upstream. Throws while that cannot be said. */
async function askToStop(parts: EngineParts, jobId: string, signal: AbortSignal): Promise<SettledCancel> {
  const attempt = await findLiveAttempt(parts.db, jobId);
  if (!attempt) return 'not_started';
  const provider = providerOf(parts.catalog, attempt.connection);
  if (!provider) throw new Error(`the connection ${attempt.connection} is not configured`);
  const operation = attempt.operation ?? (await findOperation(parts, provider, attempt, signal));
  if (operation === undefined) return 'not_started';
  if (!provider.cancel) return 'cancelled_billed';
  return provider.cancel(operation, { signal }).catch(outcomeOfError);
}

/** The work of an attempt whose answer was lost; undefined when the upstream surely never took it. */
async function findOperation(
  parts: EngineParts,
  provider: Provider,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<Operation | undefined> {
  if (attempt.state !== 'unconfirmed') throw new Error('the call to the provider is still under way');
  const now = new Date(parts.clock.now());
  const found = await look(parts, provider, attempt, signal);
  if (found.outcome === 'found') {
    await moveAttempt(parts.db, attempt.id, 'accepted', now, { operation: found.operation });
    return found.operation;
  }
  if (found.outcome === 'unknown' || !isPastGrace(attempt, parts.clock)) {
    throw new Error('it is still unknown whether the provider took the job');
  }
  await moveAttempt(parts.db, attempt.id, 'rejected', now);
  return undefined;
}

function outcomeOfError(error: unknown): CancelOutcome {
  // Work that the upstream no longer knows cannot be stopped any more.
  if (error instanceof ProviderError && error.kind === 'gone') return 'too_late';
  // It understood and will not: the work goes on and is paid for.
  if (error instanceof ProviderError && error.kind === 'rejected') return 'cancelled_billed';
  throw error;
}
