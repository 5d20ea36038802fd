import { sql } from 'kysely';
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
  const changes = {
    error_code: failure.code,
    error_message: failure.message,
    error_retryable: failure.retryable,
    error_charged: failure.charged,
    charged_micros: costOf(failure),
  };
  const { code, charged, mayRun } = failure;
  const job = await moveJob(write, id, 'fail', changes, { code, charged }, { judged, mayRun });
  if (!job) return undefined;
  // An attempt that was never sent must not be sent any more.
  const attempt = await findLiveAttempt(write.tx, id);
  if (attempt) await withdrawAttempt(write.tx, attempt.id, write.now);
  return job;
}

/** What the provider has said it costs stands. Without that, a failure that is billed costs the estimate, never nothing. */
function costOf({ charged }: Failure) {
  if (charged === null) return sql<number | null>`charged_micros`;
  return charged
    ? sql<number>`coalesce(charged_micros, estimated_micros)`
    : sql<number>`coalesce(charged_micros, 0)`;
}
