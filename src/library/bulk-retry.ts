import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import type { Job } from '../jobs/job.ts';
import { failed, type Outcome, type Outcomes } from './bulk-items.ts';
import type { LibraryParts } from './library.ts';

/**
 * New jobs for failed and cancelled ones, drafted and stored nowhere. A video whose model has gone or changed since
 * gets that as its own outcome.
 */
export function draftRetries(
  { derivations }: Pick<LibraryParts, 'derivations'>,
  caller: Principal,
  parents: readonly Job[],
  dryRun: boolean,
): { jobs: Job[]; outcomes: Outcomes } {
  const jobs: Job[] = [];
  const outcomes = new Map<string, Outcome>();
  for (const parent of parents) {
    try {
      // They are created together, in one day.
      const job = derivations.draftRetry(caller, parent, jobs[0]?.created_at);
      jobs.push(job);
      outcomes.set(parent.id, { ok: true, ...(dryRun ? {} : { newJobId: job.id }) });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      outcomes.set(parent.id, failed(error.code, error.message));
    }
  }
  return { jobs, outcomes };
}
