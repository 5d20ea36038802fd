import { sql } from 'kysely';
import { AppError, errorText } from '../core/errors.ts';
import { findLiveAttempt, withdrawAttempt } from './attempts.repository.ts';
import { findDuties } from './duties.repository.ts';
import type { EngineParts } from './engine.ts';
import type { Job } from './job.ts';
import { recordCancelOutcome } from './jobs.repository.ts';
import { lockQueued, moveJob, moveJobs } from './moves.repository.ts';
import { stopUpstream } from './stop.ts';

/** How long a client waits for the upstream's word; after that the task goes on alone. */
const INLINE_TIMEOUT_MS = 5000;

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
      // What the provider has said it costs is kept.
      charged_micros: sql<number>`case when ${notStarted} then 0 else charged_micros end`,
      estimated_at: null,
    });
    // Rolls the withdrawal back too: a finished job keeps its attempts as they are.
    if (!job) throw new AppError('job_already_finished');
    if (job.cancel_outcome !== 'unknown' || (await findDuties(write.tx, id)).length > 0) return job;
    return (await recordCancelOutcome(write, id, 'not_started')) ?? job;
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
 * others, and those that are being changed right now, are left as they are. Some thousands at a time.
 */
export function cancelQueued(parts: Pick<EngineParts, 'write'>, ids: readonly string[]): Promise<Job[]> {
  const changes = { cancel_outcome: 'not_started', charged_micros: 0, estimated_at: null } as const;
  return parts.write(async (write) => {
    const waiting = await lockQueued(write, ids);
    return waiting.length === 0 ? [] : moveJobs(write, waiting, 'cancel', changes, () => ({}));
  });
}
