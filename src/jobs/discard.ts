import { errorText } from '../core/errors.ts';
import type { EngineParts } from './engine.ts';
import { type Job, resultOf } from './job.ts';
import { deleteJob, hideJob } from './jobs.repository.ts';

/** Deletes a finished job and its files, for good. */
export async function discardJob(
  parts: Pick<EngineParts, 'write' | 'storage' | 'log'>,
  { id, cancel_outcome: outcome }: Pick<Job, 'id' | 'cancel_outcome'>,
): Promise<void> {
  const { write } = parts;
  // While the provider has not said what came of a cancellation, the row stays, unseen, for the task that asks.
  if (outcome === 'unknown') return write((tx) => hideJob(tx, id));
  const job = await write((tx) => deleteJob(tx, id));
  // After the commit: a file whose row is gone is an orphan at worst, a row whose file is gone would be a lie.
  await removeFiles(parts, Object.values(job ? (resultOf(job)?.files ?? {}) : {}));
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
