import type { Updateable } from 'kysely';
import type { JobsTable } from '../database/schema.ts';
import { findLiveAttempt, withdrawAttempt } from './attempts.repository.ts';
import type { Job } from './job.ts';
import { moveJob } from './moves.repository.ts';
import type { Write } from './write.ts';

/** Why a job fails: what its owner reads. */
export interface Failure {
  /** snake_case. */
  code: string;
  message: string;
  /** Whether asking again may help. */
  retryable: boolean;
  /** Whether the provider charges for it; null when nobody knows. */
  charged: boolean | null;
}

/** Ends a job for good. Returns nothing when it had ended already. */
export async function failJob(write: Write, id: string, failure: Failure): Promise<Job | undefined> {
  const changes: Updateable<JobsTable> = {
    error_code: failure.code,
    error_message: failure.message,
    error_retryable: failure.retryable,
    error_charged: failure.charged,
  };
  if (failure.charged === false) changes.charged_micros = 0;
  const job = await moveJob(write, id, 'fail', changes, { code: failure.code, charged: failure.charged });
  if (!job) return undefined;
  // An attempt that was never sent must not be sent any more.
  const attempt = await findLiveAttempt(write.tx, id);
  if (attempt) await withdrawAttempt(write.tx, attempt.id, write.now);
  return job;
}
