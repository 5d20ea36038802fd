import type { Principal } from '../accounts/principal.ts';
import { ERRORS, type ErrorCode } from '../core/errors.ts';
import { type Job, type JobFiles, resultOf } from '../jobs/job.ts';
import { viewJob } from '../jobs/job-view.ts';
import { unfinishedText } from '../jobs/jobs.service.ts';
import type { LibraryParts, Selection } from './library.ts';
import { findOwned } from './owned.repository.ts';
import { countSelected, walk } from './selection.ts';
import { createNamer } from './zip-names.ts';
import { streamZip, type Zip, type ZipOutput } from './zip-stream.ts';

export const ZIP_LIMIT = 1000;

export interface ZipRequest {
  selection: Selection;
  template: string | undefined;
  include: readonly (keyof JobFiles)[];
  /** Most videos, where a filter finds more. */
  limit: number;
}

interface Manifest {
  createdAt: string;
  /** How many a filter found that are not in here. */
  remaining: number;
  videos: { jobId: string; files: PackedFile[] }[];
  skipped: { jobId: string; code: ErrorCode; message: string }[];
}

interface PackedFile {
  name: string;
  variant: keyof JobFiles;
  sizeBytes: number;
  sha256: string;
}

/**
 * A zip of videos, each with a JSON file beside it, and a manifest at the end. What is not completed is named in the
 * manifest as skipped. Throws, before anything is sent, for a template or filter that is none.
 */
export async function zipVideos(
  parts: LibraryParts,
  caller: Principal,
  request: ZipRequest,
): Promise<ZipOutput> {
  const nameOf = createNamer(request.template);
  const known = await countSelected(parts, caller, request.selection);
  const isFilter = 'filter' in request.selection;
  const manifest: Manifest = {
    createdAt: new Date(parts.clock.now()).toISOString(),
    remaining: isFilter ? Math.max(0, known.total - request.limit) : 0,
    videos: [],
    skipped: [],
  };
  const feed = async (zip: Zip) => {
    let index = 0;
    for await (const { id, job } of walk(parts, caller, request.selection, request.limit, known)) {
      const refusal = refusalOf(job);
      if (refusal || !job) {
        manifest.skipped.push({ jobId: id, ...(refusal ?? missing()) });
        continue;
      }
      index += 1;
      const files = await pack(parts, zip, job, nameOf(job, index), request.include);
      if (files) manifest.videos.push({ jobId: id, files });
      else manifest.skipped.push({ jobId: id, ...missing() });
    }
    zip.addText('manifest.json', pretty(manifest), new Date(manifest.createdAt));
  };
  return streamZip(feed, (error, gone) => {
    if (!gone) parts.log.error({ err: error }, 'a zip broke off');
  });
}

/**
 * Adds the files of one video under its name, and its facts beside them. Undefined for a video that was deleted since its
 * row was read, which in a slow download may be hours ago; files that it loses half-way are left out.
 */
async function pack(
  { db, storage }: LibraryParts,
  zip: Zip,
  job: Job,
  name: string,
  include: readonly (keyof JobFiles)[],
): Promise<PackedFile[] | undefined> {
  const files: Partial<JobFiles> = resultOf(job)?.files ?? {};
  const at = job.finished_at ?? job.created_at;
  const packed: PackedFile[] = [];
  for (const variant of include) {
    const file = files[variant];
    if (!file) continue;
    if (
      (await storage.size(file.key)) === undefined &&
      (await findOwned(db, job.owner_id, [job.id])).length === 0
    ) {
      if (packed.length > 0) break;
      return undefined;
    }
    const ending = file.key.slice(file.key.lastIndexOf('.'));
    const entry = variant === 'video' ? `${name}${ending}` : `${name}-${variant}${ending}`;
    await zip.addFile(entry, { sizeBytes: file.sizeBytes, at }, () => storage.open(file.key));
    packed.push({ name: entry, variant, sizeBytes: file.sizeBytes, sha256: file.sha256 });
  }
  const lineage = { parentId: job.parent_id, rootId: job.root_id, depth: job.depth };
  zip.addText(`${name}.json`, pretty({ job: viewJob(job), lineage, files: packed }), at);
  return packed;
}

function refusalOf(job: Job | undefined): { code: ErrorCode; message: string } | undefined {
  if (!job) return missing();
  if (job.status === 'completed') return undefined;
  return { code: 'video_not_completed', message: unfinishedText(job) };
}

function missing(): { code: ErrorCode; message: string } {
  return { code: 'job_not_found', message: ERRORS.job_not_found.message };
}

function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
