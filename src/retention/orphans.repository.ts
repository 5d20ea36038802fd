import type { Db } from '../database/open.ts';
import { appendEvents, countJobEvents } from '../events/events.repository.ts';
import { type Job, resultOf } from '../jobs/job.ts';
import type { Write } from '../jobs/write.ts';

export type JobOfFiles = Pick<Job, 'id' | 'stage' | 'status' | 'previews' | 'result'>;

/** The jobs of those ids that exist. */
export async function findJobsOfFiles(db: Db, ids: readonly string[]): Promise<Map<string, JobOfFiles>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom('jobs')
    .select(['id', 'stage', 'status', 'previews', 'result'])
    .where('id', 'in', [...ids])
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

/** Those of the keys that an asset or a job names as its reference image. */
export async function findNamedReferences(db: Db, keys: readonly string[]): Promise<Set<string>> {
  if (keys.length === 0) return new Set();
  const assets = await db
    .selectFrom('assets')
    .select('storage_key as key')
    .where('storage_key', 'in', [...keys])
    .execute();
  const jobs = await db
    .selectFrom('jobs')
    .select('reference_key as key')
    .distinct()
    .where('reference_key', 'in', [...keys])
    .execute();
  return new Set([...assets, ...jobs].flatMap(({ key }) => (key === null ? [] : [key])));
}

/** Completed jobs with what they name as their video, in the order of their ids. */
export async function findCompletedAfter(
  db: Db,
  after: string,
  limit: number,
): Promise<{ id: string; key: string; previews: number }[]> {
  const rows = await db
    .selectFrom('jobs')
    .select(['id', 'previews', 'result'])
    .where('status', '=', 'completed')
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(({ id, previews, result }) => ({
    id,
    previews,
    key: resultOf({ result } as Job)?.files.video.key ?? '',
  }));
}

const FILE_MISSING = 'job.file_missing';

export type Noted = 'noted' | 'known' | 'gone';

/**
 * Notes that a completed job's video is not in storage: an event, once in its life, and no more tries to make previews of
 * it. `gone` when the job itself is gone by now, or names another file: then nothing is missing.
 */
export async function noteMissing(write: Write, id: string, key: string): Promise<Noted> {
  const job = await write.tx
    .selectFrom('jobs')
    .selectAll()
    .where('id', '=', id)
    .where('status', '=', 'completed')
    .forUpdate()
    .executeTakeFirst();
  if (!job || resultOf(job)?.files.video.key !== key) return 'gone';
  if (job.previews === 0) {
    await write.tx.updateTable('jobs').set({ previews: -1 }).where('id', '=', id).execute();
    write.changed(id);
  }
  if ((await countJobEvents(write.tx, id, FILE_MISSING)) > 0) return 'known';
  const { owner_id: ownerId, batch_id: batchId } = job;
  await appendEvents(write.tx, [
    { ownerId, jobId: id, batchId, type: FILE_MISSING, data: { key }, at: write.now },
  ]);
  return 'noted';
}

/** The video is there again: its previews can be made. */
export async function forgetMissing(write: Write, id: string): Promise<void> {
  const { numUpdatedRows } = await write.tx
    .updateTable('jobs')
    .set({ previews: 0 })
    .where('id', '=', id)
    .where('status', '=', 'completed')
    .where('previews', '=', -1)
    .executeTakeFirst();
  if (numUpdatedRows > 0) write.changed(id);
}
