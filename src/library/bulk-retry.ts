import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import { derivedOf, pictureOf, placeUnder, wishesOf } from '../jobs/derivation.ts';
import type { Job } from '../jobs/job.ts';
import { failed, type Outcome, type Outcomes } from './bulk-items.ts';
import type { LibraryParts } from './library.ts';

const MADE_FROM_ANOTHER = 'The provider was to make it out of another video: try it again by itself.';

/**
 * New jobs for failed and cancelled ones, drafted and stored nowhere. A video whose model has gone or changed since
 * gets that as its own outcome.
 */
export function draftRetries(
  { draftJob }: Pick<LibraryParts, 'draftJob'>,
  caller: Principal,
  parents: readonly Job[],
  dryRun: boolean,
): { jobs: Job[]; outcomes: Outcomes } {
  const jobs: Job[] = [];
  const outcomes = new Map<string, Outcome>();
  for (const parent of parents) {
    // Drafted from its wishes alone it would become another video than the one that failed.
    if (derivedOf(parent)?.by === 'provider') {
      outcomes.set(parent.id, failed('job_not_retryable', MADE_FROM_ANOTHER));
      continue;
    }
    try {
      const job = draftJob(caller, wishesOf(parent), { placed: placeUnder(parent, 'retry') });
      Object.assign(job, pictureOf(parent));
      jobs.push(job);
      outcomes.set(parent.id, { ok: true, ...(dryRun ? {} : { newJobId: job.id }) });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      outcomes.set(parent.id, failed(error.code, error.message));
    }
  }
  return { jobs, outcomes };
}
