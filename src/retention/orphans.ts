import type { Db } from '../database/open.ts';
import { jobOfKey } from '../jobs/stored-files.ts';
import { resultOf, type Job } from '../jobs/job.ts';
import { findJobsOfFiles, findNamedReferences, type JobOfFiles } from './orphans.repository.ts';

/**
 * Whether no row names a file of a job's and none ever will. A job that is still open may be about to name it, however
 * long its archive has been asleep; so may one whose previews are being made.
 */
export function isOrphan(key: string, job: JobOfFiles | undefined): boolean {
  if (!job) return true;
  if (job.stage !== 'finished') return false;
  const files = Object.values(resultOf(job as Job)?.files ?? {});
  if (files.some((file) => file.key === key)) return false;
  return !(job.status === 'completed' && job.previews === 0);
}

/** Which of the keys may be removed. Those of a shape that is not ours are `unknown`, and left alone. */
export async function removable(
  db: Db,
  keys: readonly string[],
): Promise<{ orphans: Set<string>; unknown: string[] }> {
  const references = keys.filter((key) => REFERENCE.test(key));
  const videos = keys.flatMap((key) => {
    const jobId = jobOfKey(key);
    return jobId === undefined ? [] : [{ key, jobId }];
  });
  const named = await findNamedReferences(db, references);
  const jobs = await findJobsOfFiles(db, [...new Set(videos.map(({ jobId }) => jobId))]);
  const orphans = new Set([
    ...references.filter((key) => !named.has(key)),
    ...videos.filter(({ key, jobId }) => isOrphan(key, jobs.get(jobId))).map(({ key }) => key),
  ]);
  const unknown = keys.filter((key) => !REFERENCE.test(key) && jobOfKey(key) === undefined);
  return { orphans, unknown };
}

const REFERENCE = /^references\//;
