import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import type { Create, Created } from '../jobs/create-job.ts';
import type { DraftOptions } from '../jobs/draft-job.ts';
import type { Job } from '../jobs/job.ts';
import { findJob } from '../jobs/jobs.repository.ts';
import { type CreateOrigin, type JobsService, unfinishedText } from '../jobs/jobs.service.ts';
import type { SourceKind } from '../providers/model.ts';
import { checkDepth } from './depth.ts';
import { type DeriveParts, type DeriveWish, draftDerived } from './derive.ts';
import { draftRetry } from './retry.ts';

export interface DerivationsService {
  /**
   * A new video out of a finished one of the caller's. Throws `job_not_found`, `video_not_completed`,
   * `lineage_too_deep`, `operation_unsupported` and what a refused request throws; nothing is created then.
   */
  derive(
    caller: Principal,
    parentId: string,
    kind: SourceKind,
    wish: DeriveWish,
    origin: CreateOrigin,
  ): Promise<Created>;
  /** The same request again, as a new job. Throws `job_not_found`, `job_not_failed`, `lineage_too_deep` and as above. */
  retry(caller: Principal, jobId: string, origin: CreateOrigin): Promise<Created>;
  /** Only the new job of a retry, stored nowhere: for those who create many together, `at` one time. Throws as `retry`. */
  draftRetry(caller: Principal, job: Job, at?: Date): Job;
}

export interface DerivationParts extends DeriveParts {
  jobs: JobsService;
  create: Create;
  /** How many steps a video may be away from the first one of its lineage. */
  maxDepth: number;
}

export function createDerivationsService(parts: DerivationParts): DerivationsService {
  const { jobs, create, maxDepth } = parts;

  /** Its row as it is now: what comes from memory may name an asset that has been deleted since then. */
  async function owned(caller: Principal, id: string): Promise<Job> {
    await jobs.get(caller, id);
    const job = await findJob(parts.db, id);
    if (!job || job.deleted_at) throw new AppError('job_not_found');
    return job;
  }

  async function finished(caller: Principal, id: string): Promise<Job> {
    const job = await owned(caller, id);
    if (job.status === 'completed') return job;
    const details = { status: job.status };
    throw new AppError('video_not_completed', { message: unfinishedText(job), details });
  }

  function createOne(caller: Principal, { retry, render }: CreateOrigin, draft: () => Promise<Job>) {
    const answer = (job: Job) => ({ id: job.id, body: render(job) });
    return create(caller, {
      retry,
      again: answer,
      async draft() {
        const job = await draft();
        return { ...answer(job), jobs: [job] };
      },
    });
  }

  function again(caller: Principal, job: Job, options: Pick<DraftOptions, 'fingerprint' | 'at'>): Job {
    const drafted = draftRetry(parts, caller, job, options);
    checkDepth(job, maxDepth);
    return drafted;
  }

  return {
    derive: (caller, parentId, kind, wish, origin) =>
      createOne(caller, origin, async () => {
        const parent = await finished(caller, parentId);
        checkDepth(parent, maxDepth);
        return draftDerived(parts, caller, parent, kind, wish, origin.retry.fingerprint);
      }),
    retry: (caller, jobId, origin) =>
      createOne(caller, origin, async () =>
        again(caller, await owned(caller, jobId), { fingerprint: origin.retry.fingerprint }),
      ),
    draftRetry: (caller, job, at) => again(caller, job, { at }),
  };
}
