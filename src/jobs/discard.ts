import { AppError, errorText } from '../core/errors.ts';
import { deleteOrHide, deleteSettled } from './deletion.repository.ts';
import type { EngineParts } from './engine.ts';
import { type Job, resultOf } from './job.ts';

type DiscardParts = Pick<EngineParts, 'write' | 'storage' | 'log'>;

/**
 * Deletes a finished job and its files, for good. While something may still run upstream for it, or it is held for in the
 * books, the row stays, unseen. Nothing happens to one that is gone. Throws `job_not_finished`.
 */
export async function discardJob(parts: DiscardParts, id: string): Promise<void> {
  const deletion = await parts.write((write) => deleteOrHide(write, id));
  if (deletion.outcome === 'open') throw new AppError('job_not_finished');
  if (deletion.outcome === 'deleted') await removeFilesOf(parts, deletion.job);
}

/** Removes jobs that were hidden when their owners deleted them, as far as nothing depends on them any more. */
export async function discardHidden(parts: DiscardParts, ids: readonly string[]): Promise<void> {
  const jobs = await parts.write((write) => deleteSettled(write, ids, { onlyHidden: true }));
  for (const job of jobs) await removeFilesOf(parts, job);
}

/** After the commit: a file whose row is gone is an orphan at worst, a row whose file is gone would be a lie. */
function removeFilesOf(parts: DiscardParts, job: Job): Promise<void> {
  return removeFiles(parts, Object.values(resultOf(job)?.files ?? {}));
}

/**
 * Removes the files of a video whose row is gone. One that cannot be removed now is an orphan from here on, the sweep's
 * business: it stops neither the others nor the answer, since the video is deleted.
 */
export async function removeFiles(
  { storage, log }: Pick<EngineParts, 'storage' | 'log'>,
  files: readonly { key: string }[],
): Promise<void> {
  for (const { key } of files) {
    await storage.remove(key).catch((error: unknown) => {
      log.warn({ key, error: errorText(error) }, 'a file of a deleted video could not be removed yet');
    });
  }
}
