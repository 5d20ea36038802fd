import pLimit from 'p-limit';
import { AppError } from '../core/errors.ts';
import { cancelJob, cancelQueued } from '../jobs/cancel.ts';
import type { EngineParts } from '../jobs/engine.ts';
import type { Job } from '../jobs/job.ts';
import { findOpen } from './batches.repository.ts';

/** How many came to what, as far as a cancellation can tell at once. */
export type CancelOutcomes = Record<Exclude<NonNullable<Job['cancel_outcome']>, 'written_off'>, number>;

/** Running jobs whose upstream is asked to stop at a time. */
const AT_ONCE = 16;

/**
 * Cancels every job of a batch that is open: those that wait all at once, before any of them can begin; then those in
 * work, each with its upstream. Returns what came of it. Throws `batch_already_finished` when there was none.
 */
export async function cancelOpen(parts: EngineParts, batchId: string): Promise<CancelOutcomes> {
  const outcomes = { not_started: 0, cancelled: 0, cancelled_billed: 0, too_late: 0, unknown: 0 };
  const waiting = await cancelQueued(parts, await findOpen(parts.db, batchId));
  outcomes.not_started = waiting.length;
  const limit = pLimit(AT_ONCE);
  const running = (await findOpen(parts.db, batchId)).map((id) => limit(() => cancelOne(parts, id)));
  for (const job of await Promise.all(running)) {
    const outcome = job?.cancel_outcome;
    if (outcome && outcome !== 'written_off') outcomes[outcome] += 1;
  }
  if (Object.values(outcomes).every((count) => count === 0)) throw new AppError('batch_already_finished');
  return outcomes;
}

/** Undefined when it came to its end meanwhile. */
async function cancelOne(parts: EngineParts, id: string): Promise<Job | undefined> {
  try {
    return await cancelJob(parts, id);
  } catch (error) {
    if (error instanceof AppError && error.code === 'job_already_finished') return undefined;
    throw error;
  }
}
