import type { DerivationsService } from '../derivations/derivations.service.ts';
import type { Create } from '../jobs/create-job.ts';
import type { EngineParts } from '../jobs/engine.ts';
import type { JobsService } from '../jobs/jobs.service.ts';

/** What the library's functions are given. */
export interface LibraryParts extends EngineParts {
  jobs: JobsService;
  derivations: Pick<DerivationsService, 'draftRetry'>;
  create: Create;
  /** Most bytes of an archive that is imported, and of what comes out of it. */
  importLimitBytes: number;
}

/** Videos named one by one, or all that a filter finds. */
export type Selection =
  { ids: readonly string[] } | { filter: Parameters<JobsService['list']>[1]; cursor?: string | undefined };
