import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import { pictureOf, placeUnder, wishesOf } from '../jobs/derivation.ts';
import type { DraftJob, DraftOptions } from '../jobs/draft-job.ts';
import type { Job } from '../jobs/job.ts';
import type { Catalog } from '../providers/catalog.ts';
import { fitsSource, onSource, sourceOf } from './sources.ts';

/**
 * Drafts the same request again, with the same picture or the same source at the provider. Throws `job_not_failed`,
 * `operation_unsupported` when the source cannot be used any more, and what drafting a job throws.
 */
export function draftRetry(
  { catalog, draftJob }: { catalog: Catalog; draftJob: DraftJob },
  caller: Principal,
  job: Job,
  options: Pick<DraftOptions, 'fingerprint' | 'at'> = {},
): Job {
  if (job.status !== 'failed' && job.status !== 'cancelled') {
    throw new AppError('job_not_failed', {
      message: `Only what failed or was cancelled can be tried again; this video is ${job.status}.`,
      details: { status: job.status },
    });
  }
  const placed = { ...options, placed: placeUnder(job, 'retry') };
  const wishes = wishesOf(job);
  const source = sourceOf(job);
  if (!source) return Object.assign(draftJob(caller, wishes, placed), pictureOf(job));
  const entry = catalog.resolve(job.model);
  if (!fitsSource(job, source, entry)) {
    throw new AppError('operation_unsupported', {
      message: `The model ${job.model} has no ${source.kind} of its own any more: ${source.kind} the first video again.`,
      details: { operation: source.kind, model: job.model, possible: [] },
    });
  }
  const seconds = source.kind === 'extend' ? job.seconds - source.seconds : undefined;
  const again = { ...wishes, seconds, resolution: undefined };
  return draftJob(caller, again, { ...placed, amend: onSource(source, job) });
}
