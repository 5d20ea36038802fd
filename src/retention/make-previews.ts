import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { Database } from '../database/open.ts';
import { type JobFiles, resultOf } from '../jobs/job.ts';
import { findJob } from '../jobs/jobs.repository.ts';
import { folderOf, storePreviews } from '../jobs/stored-files.ts';
import type { Writer } from '../jobs/write.ts';
import type { Media } from '../media/media.ts';
import { MediaError } from '../media/media-error.ts';
import type { Previews, PreviewTargets } from '../media/previews.ts';
import type { Chunks, Storage } from '../storage/storage.ts';
import { noteMissing } from './orphans.repository.ts';
import { addPreviews } from './previews.repository.ts';

export interface PreviewParts {
  db: Database;
  write: Writer;
  log: Log;
  storage: Storage;
  media: Media;
  tempDir: string;
}

/** What came of a video: `left` when there was nothing to do, or somebody else was first. */
export type Made = 'made' | 'placeholder' | 'missing' | 'left';

/**
 * Makes what previews a completed video lacks, whatever upstream it came from. Those it has are kept: files do not change.
 * Two may do it at once, and be killed anywhere: each run has names of its own, one UPDATE decides, and what nobody names
 * in the end is swept. Throws when it could not be tried; a verdict on the file itself counts as done.
 */
export async function makePreviews(parts: PreviewParts, jobId: string, signal: AbortSignal): Promise<Made> {
  const job = await findJob(parts.db, jobId);
  const has = job && resultOf(job)?.files;
  if (!has || job.status !== 'completed' || job.previews !== 0) return 'left';

  const run = newId('run').slice(-12);
  await mkdir(parts.tempDir, { recursive: true });
  const path = (suffix: string) => join(parts.tempDir, `previews.${run}.${suffix}`);
  const files = { poster: path('webp'), sheet: path('jpg'), preview: path('preview.webp') };
  const video = path('video');
  try {
    if (!(await fetchVideo(parts.storage, has.video.key, video, signal))) {
      const noted = await parts.write((write) => noteMissing(write, jobId, has.video.key));
      if (noted === 'noted') parts.log.error({ jobId }, 'the file of a completed video is missing');
      return noted === 'gone' ? 'left' : 'missing';
    }
    const made = await picture(parts.media, video, files, signal);
    const stored = await storePreviews(parts.storage, lacking(made, has), files, {
      folder: folderOf(jobId, run),
      signal,
    });
    if (await parts.write((write) => addPreviews(write, jobId, stored))) {
      return made.source === 'placeholder' ? 'placeholder' : 'made';
    }
    for (const file of Object.values(stored)) await parts.storage.remove(file.key);
    return 'left';
  } finally {
    for (const file of [video, ...Object.values(files)]) await rm(file, { force: true });
  }
}

/** False when it is not in storage. */
async function fetchVideo(
  storage: Storage,
  key: string,
  file: string,
  signal: AbortSignal,
): Promise<boolean> {
  let chunks: Chunks;
  try {
    chunks = await storage.open(key);
  } catch (error) {
    if (error instanceof AppError && error.code === 'content_not_found') return false;
    throw error;
  }
  const handle = await open(file, 'w');
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      await handle.writeFile(chunk);
    }
  } finally {
    await handle.close();
  }
  return true;
}

async function picture(
  media: Media,
  video: string,
  files: PreviewTargets,
  signal: AbortSignal,
): Promise<Previews> {
  try {
    return await media.makePreviews(video, files, { signal });
  } catch (error) {
    // It was accepted once, or imported; here it cannot be read, and will not be by trying again.
    if (!(error instanceof MediaError) || error.code !== 'media_invalid') throw error;
    return media.makePlaceholder(files.poster, { signal });
  }
}

function lacking(made: Previews, has: JobFiles): Previews {
  return {
    ...made,
    poster: made.poster && !has.thumbnail,
    sheet: made.sheet && !has.spritesheet,
    preview: made.preview && !has.preview,
  };
}
