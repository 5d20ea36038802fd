import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import { cancelJob } from '../jobs/cancel.ts';
import { discardJob } from '../jobs/discard.ts';
import { isFinal, type Job } from '../jobs/job.ts';
import { viewJob } from '../jobs/job-view.ts';
import { unlessFinished } from '../jobs/jobs.service.ts';
import { restoreJobs, trashJobs } from '../jobs/trash.repository.ts';
import { failed, labelRefusal, type Outcome, type Outcomes } from './bulk-items.ts';
import { forEachBounded } from './bounded.ts';
import { type Label, labelJobs } from './labels.repository.ts';
import type { LibraryParts } from './library.ts';

/** Videos that are cancelled or purged at once. */
const CONCURRENCY = 4;
/** How long a whole call waits for what providers say about cancellations; after that, tasks go on alone. */
const PATIENCE_MS = 15_000;

/** Labels in one statement. */
export async function labelAll(
  parts: LibraryParts,
  caller: Principal,
  jobs: readonly Job[],
  label: Label,
): Promise<Outcomes> {
  const ids = jobs.map(({ id }) => id);
  const labelled = await parts.write((write) => labelJobs(write, caller.ownerId, ids, label));
  return new Map(ids.map((id) => [id, labelRefusal(labelled.get(id)) ?? { ok: true }]));
}

/** Cancels what is open, then moves all of it to the trash. */
export async function trashAll(
  parts: LibraryParts,
  caller: Principal,
  jobs: readonly Job[],
): Promise<Outcomes> {
  const open = jobs.filter((job) => !isFinal(job.status));
  const cancelled = await eachJob(parts, open, cancelling(parts, unlessFinished));
  const ids = jobs.map(({ id }) => id).filter((id) => cancelled.get(id)?.ok !== false);
  const trashed = await parts.write((write) => trashJobs(write, caller.ownerId, ids));
  const there = new Set([...trashed, ...jobs.filter((job) => job.trashed_at)].map(({ id }) => id));
  return new Map(
    jobs.map(({ id }) => {
      const outcome = cancelled.get(id) ?? { ok: true };
      // Deleted by somebody else meanwhile.
      return [id, outcome.ok && !there.has(id) ? failed('job_not_found') : outcome];
    }),
  );
}

export async function restoreAll(
  parts: LibraryParts,
  caller: Principal,
  jobs: readonly Job[],
): Promise<Outcomes> {
  const ids = jobs.map(({ id }) => id);
  const restored = await parts.write((write) => restoreJobs(write, caller.ownerId, ids));
  const back = new Set(restored.map(({ id }) => id));
  return new Map(ids.map((id) => [id, back.has(id) ? { ok: true } : failed('not_in_trash')]));
}

export function purgeAll(parts: LibraryParts, jobs: readonly Job[]): Promise<Outcomes> {
  return eachJob(parts, jobs, ({ id }) => discardJob(parts, id));
}

export function cancelAll(parts: LibraryParts, jobs: readonly Job[]): Promise<Outcomes> {
  return eachJob(parts, jobs, cancelling(parts));
}

/** Cancels a job and says what came of it; all of one call share their patience. */
function cancelling(parts: LibraryParts, tolerate?: (error: unknown) => undefined) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  return async ({ id }: Job): Promise<string | undefined> => {
    const cancel = cancelJob(parts, id, patience);
    const job = await (tolerate ? cancel.catch(tolerate) : cancel);
    return job && viewJob(job).cancellation?.message;
  };
}

/** A few at a time; what one throws is its own outcome. */
async function eachJob(
  parts: LibraryParts,
  jobs: readonly Job[],
  work: (job: Job) => Promise<string | void>,
): Promise<Outcomes> {
  const outcomes = new Map<string, Outcome>();
  await forEachBounded(jobs, CONCURRENCY, async (job) => {
    try {
      const message = await work(job);
      outcomes.set(job.id, { ok: true, ...(typeof message === 'string' ? { message } : {}) });
    } catch (error) {
      outcomes.set(job.id, outcomeOfError(parts, job, error));
    }
  });
  return outcomes;
}

function outcomeOfError(parts: LibraryParts, { id }: Job, error: unknown): Outcome {
  if (error instanceof AppError) return failed(error.code, error.message);
  parts.log.error({ jobId: id, err: error }, 'a bulk action failed for one video');
  return failed('internal_error');
}
