import type { Updateable } from 'kysely';
import type { JobsTable } from '../database/schema.ts';
import { findLiveAttempt, withdrawAttempt } from './attempts.repository.ts';
import type { Job } from './job.ts';
import { type Judged, moveJob } from './moves.repository.ts';
import type { Write } from './write.ts';

/** Why a job fails: what its owner reads. */
export interface Failure {
  /** snake_case. */
  code: string;
  message: string;
  /** Whether asking again may help. */
  retryable: boolean;
  /** Whether the provider charges for it; null when that is unknown. */
  charged: boolean | null;
  /** The upstream may still be at what it took for it, which then has to be stopped. */
  mayRun?: boolean;
}

/**
 * Ends a job for good. Returns nothing when it had ended already, or is not any more where it was when it was judged.
 */
export async function failJob(
  write: Write,
  id: string,
  failure: Failure,
  judged?: Judged,
): Promise<Job | undefined> {
  const changes: Updateable<JobsTable> = {
    error_code: failure.code,
    error_message: failure.message,
    error_retryable: failure.retryable,
    error_charged: failure.charged,
  };
  if (failure.charged === false) changes.charged_micros = 0;
  const { code, charged, mayRun } = failure;
  const job = await moveJob(write, id, 'fail', changes, { code, charged }, { judged, mayRun });
  if (!job) return undefined;
  // An attempt that was never sent must not be sent any more.
  const attempt = await findLiveAttempt(write.tx, id);
  if (attempt) await withdrawAttempt(write.tx, attempt.id, write.now);
  return job;
}
