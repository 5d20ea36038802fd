import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import { checkDepth } from '../derivations/depth.ts';
import type { Draft } from '../jobs/create-job.ts';
import { pictureOf, placeUnder, wishesOf } from '../jobs/derivation.ts';
import type { DraftJob } from '../jobs/draft-job.ts';
import type { EngineParts } from '../jobs/engine.ts';
import type { Job } from '../jobs/job.ts';
import type { Batch } from './batch.ts';
import { createdBody } from './batch-view.ts';
import { findUnhappy, reopenBatch } from './batches.repository.ts';
import { named, type NamedProblem, problemOf, refusal } from './item-problems.ts';

export interface RetryParts {
  draftJob: DraftJob;
  /** How many steps a video may be away from the first one of its lineage. */
  maxDepth: number;
}

/**
 * Drafts a new try of every item whose latest one failed or was cancelled. Throws `nothing_to_retry`, also when another
 * retry comes first, and `invalid_batch` when an item cannot be made any more.
 */
export async function draftRetry(
  { db, clock, draftJob, maxDepth }: Pick<EngineParts, 'db' | 'clock'> & RetryParts,
  caller: Principal,
  batch: Batch,
): Promise<Draft> {
  const former = await findUnhappy(db, batch.id);
  if (former.length === 0) throw new AppError('nothing_to_retry');
  const problems: NamedProblem[] = [];
  const jobs: Job[] = [];
  for (const job of former) {
    const { batch_id, batch_index } = job;
    const placed = { ...placeUnder(job, 'retry'), batch_id, batch_index };
    try {
      checkDepth(job, maxDepth);
      // They are created together, in one day.
      const draft = draftJob(caller, wishesOf(job), { placed, at: jobs[0]?.created_at });
      jobs.push(Object.assign(draft, pictureOf(job)));
    } catch (error) {
      problems.push(named(problemOf(error), batch_index ?? 0, undefined));
    }
  }
  if (problems.length > 0) throw refusal(problems, former.length);
  const ids = former.map(({ id }) => id);
  return {
    id: batch.id,
    jobs,
    body: createdBody(batch, jobs),
    async before(tx) {
      if (await reopenBatch(tx, batch, ids, new Date(clock.now()))) return;
      throw new AppError('nothing_to_retry', { message: 'Another retry of this batch came first.' });
    },
  };
}
