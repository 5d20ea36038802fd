import type { Previews, PreviewTargets } from '../media/previews.ts';
import { hashFile } from '../storage/hash.ts';
import type { Storage } from '../storage/storage.ts';
import { sizeOf } from './download.ts';
import type { JobFiles, StoredFile } from './job.ts';

/** Where one run of a task keeps a video's files in storage: no run writes over what another has stored. */
export function folderOf(jobId: string, run: string): string {
  return `videos/${jobId.slice(-2)}/${jobId}/${run}`;
}

const KEY = /^videos\/[^/]+\/(video_[0-9a-f]{32})\//;

/** The job that a key was made for; undefined for a key of another shape. */
export function jobOfKey(key: string): string | undefined {
  return KEY.exec(key)?.[1];
}

/** Moves the pictures that were made into storage. */
export async function storePreviews(
  storage: Storage,
  made: Previews,
  files: PreviewTargets,
  { folder, signal }: { folder: string; signal: AbortSignal },
): Promise<Omit<JobFiles, 'video'>> {
  const keep = async (file: string, name: string, contentType: string): Promise<StoredFile> => {
    const key = `${folder}/${name}`;
    const stored = { key, sizeBytes: await sizeOf(file), sha256: await hashFile(file), contentType };
    await storage.putFile(key, file, { ...stored, signal });
    return stored;
  };
  const stored: Omit<JobFiles, 'video'> = {};
  if (made.poster) stored.thumbnail = await keep(files.poster, 'thumbnail.webp', 'image/webp');
  if (made.sheet) stored.spritesheet = await keep(files.sheet, 'spritesheet.jpg', 'image/jpeg');
  if (made.preview) stored.preview = await keep(files.preview, 'preview.webp', 'image/webp');
  return stored;
}
