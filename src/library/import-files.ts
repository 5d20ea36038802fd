import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../core/ids.ts';
import { type Job, type JobResult, resultOf, type StoredFile } from '../jobs/job.ts';
import { imageType } from '../media/image.ts';
import type { FileProblem } from './import-archive.ts';
import type { ImportRun } from './import-run.ts';
import {
  entryOf,
  IMAGE_ENDINGS,
  type ImageFile,
  VIDEO_ENDINGS,
  type VideoRecord,
} from './transfer-records.ts';

/** A file of the export cannot be taken over, and so neither can what names it. */
export class FileError extends Error {
  readonly problem: FileProblem;

  constructor(problem: FileProblem, key: string) {
    const texts = {
      file_missing: `The archive has no ${entryOf(key)}.`,
      file_mismatch: `${entryOf(key)} is not the file that its row describes.`,
    };
    super(texts[problem]);
    this.problem = problem;
  }
}

const ENDINGS = { ...VIDEO_ENDINGS, ...IMAGE_ENDINGS };

/** Checks the files of a video and puts them into storage, under keys of their own. Throws `FileError`. */
export async function takeFiles(
  run: ImportRun,
  row: VideoRecord,
  id: string,
): Promise<JobResult['files'] | undefined> {
  if (!row.result) return undefined;
  const folder = `videos/${id.slice(-2)}/${id}/${newId('run').slice(-12)}`;
  const taken: Partial<Record<string, StoredFile>> = {};
  try {
    for (const [variant, file] of Object.entries(row.result.files)) {
      const key = `${folder}/${variant}.${ENDINGS[file.contentType]}`;
      await take(run, file, key);
      taken[variant] = { ...file, key };
    }
  } catch (error) {
    await removeFiles(run, Object.values(taken));
    throw error;
  }
  return taken as unknown as JobResult['files'];
}

/** Checks a picture and puts it into storage under its hash, where all who use it share it. Throws `FileError`. */
export async function takeImage(run: ImportRun, file: ImageFile): Promise<string> {
  const key = `references/${file.sha256}.${IMAGE_ENDINGS[file.contentType]}`;
  if (run.images.has(key)) return key;
  // Put again even if it is there: it counts as new then, and no sweep of old files takes it away before its row is there.
  await take(run, file, key, checkImage);
  run.images.add(key);
  return key;
}

async function take(
  { archive, parts }: ImportRun,
  file: StoredFile,
  key: string,
  check?: (path: string, file: StoredFile) => Promise<boolean>,
): Promise<void> {
  const path = join(parts.tempDir, `${newId('run')}.import-file`);
  try {
    const problem = await archive.copy(entryOf(file.key), path, file);
    if (problem) throw new FileError(problem, file.key);
    if (check && !(await check(path, file))) throw new FileError('file_mismatch', file.key);
    const { contentType, sizeBytes, sha256 } = file;
    await parts.storage.putFile(key, path, { contentType, sizeBytes, sha256 });
  } finally {
    await rm(path, { force: true });
  }
}

/** Pictures are sent to providers: they are what they say they are. */
async function checkImage(path: string, { contentType }: StoredFile): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0);
    return imageType(buffer.subarray(0, bytesRead)) === contentType;
  } finally {
    await file.close();
  }
}

export async function removeFiles(
  { parts }: ImportRun,
  files: readonly (StoredFile | undefined)[],
): Promise<void> {
  for (const file of files) if (file) await parts.storage.remove(file.key);
}

export function filesOf(job: Job): StoredFile[] {
  return Object.values(resultOf(job)?.files ?? {}) as StoredFile[];
}
