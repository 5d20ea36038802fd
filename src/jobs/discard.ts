import type { EngineParts } from './engine.ts';
import { type Job, resultOf } from './job.ts';
import { deleteJob, hideJob } from './jobs.repository.ts';

/** Deletes a finished job and its files, for good. */
export async function discardJob(
  { write, storage }: Pick<EngineParts, 'write' | 'storage'>,
  { id, cancel_outcome: outcome }: Pick<Job, 'id' | 'cancel_outcome'>,
): Promise<void> {
  // While the provider has not said what came of a cancellation, the row stays, unseen, for the task that asks.
  if (outcome === 'unknown') return write((tx) => hideJob(tx, id));
  const job = await write((tx) => deleteJob(tx, id));
  // After the commit: a file whose row is gone is an orphan at worst, a row whose file is gone would be a lie.
  for (const file of Object.values(job ? (resultOf(job)?.files ?? {}) : {})) await storage.remove(file.key);
}
