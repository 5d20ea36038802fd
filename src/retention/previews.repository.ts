import { sql } from 'kysely';
import type { Db } from '../database/open.ts';
import { bytesOf, type JobFiles } from '../jobs/job.ts';
import type { Write } from '../jobs/write.ts';
import { PREVIEWS_GENERATION } from '../media/previews.ts';

/** Completed jobs without previews, those that finished last first, but not the given ones. */
export async function findBare(db: Db, except: readonly string[], limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('jobs')
    .select('id')
    .where('status', '=', 'completed')
    .where('previews', '=', 0)
    .where(({ eb }) => eb.not(eb('id', '=', sql<string>`any (${[...except]}::text[])`)))
    .orderBy('finished_at', 'desc')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/** Adds files to what a completed job names. False when somebody else was first, or the job is gone. */
export async function addPreviews(
  write: Write,
  id: string,
  files: Omit<JobFiles, 'video'>,
): Promise<boolean> {
  const added = JSON.stringify(files);
  const job = await write.tx
    .updateTable('jobs')
    .set({
      result: sql<string>`jsonb_set(result, '{files}', (result -> 'files') || ${added}::jsonb)`,
      stored_bytes: sql<number>`stored_bytes + ${bytesOf(files)}::bigint`,
      previews: PREVIEWS_GENERATION,
      updated_at: write.now,
    })
    .where('id', '=', id)
    .where('status', '=', 'completed')
    .where('previews', '=', 0)
    .returning('id')
    .executeTakeFirst();
  if (job) write.changed(id);
  return job !== undefined;
}
