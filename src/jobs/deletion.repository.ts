import { type Kysely, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import { lockAttemptsOf } from './attempts.repository.ts';
import type { Job } from './job.ts';
import type { Write } from './write.ts';

/** What a deletion came to: `open` and `gone` have changed nothing. */
export type Deletion = { outcome: 'deleted'; job: Job } | { outcome: 'hidden' | 'open' | 'gone' };

/**
 * SQL: nothing depends on this row of `jobs` any more. Its end is settled, in the books too, and nothing runs upstream for it, as
 * far as can be known at `now`: no duty to stop, no attempt in doubt, no call that may still be under way. A trigger of the
 * table holds the same, but for the calls.
 */
function isSettled(now: Date) {
  return sql<boolean>`(stage = 'finished' and cancel_outcome is distinct from 'unknown'
    and not exists (
      select from attempts where job_id = jobs.id
        and (duty is not null or (state in ('sent', 'unconfirmed') and stop_outcome is null))
    ) and not exists (
      select from calls join attempts on attempts.id = attempt_id
      where job_id = jobs.id and ended_at is null and ends_at > ${now}::timestamptz
    ) and (
      not exists (select from ledger where job_id = jobs.id and kind = 'hold')
      or exists (select from ledger where job_id = jobs.id and kind = 'release')
    ))`;
}

/**
 * The only statement that deletes jobs: removes those of them that are settled, with their attempts; their events stay.
 * Returns them. They are held first, attempts before jobs as everywhere, so that what is decided here is decided on the rows as
 * they are, whatever another process is doing to them.
 */
export async function deleteSettled(
  write: Write,
  ids: readonly string[],
  { onlyHidden = false }: { onlyHidden?: boolean } = {},
): Promise<Job[]> {
  if (ids.length === 0) return [];
  await lockJobs(write, ids);
  let deletion = write.tx.deleteFrom('jobs').where('id', 'in', [...ids]);
  if (onlyHidden) deletion = deletion.where('deleted_at', 'is not', null).where('trashed_at', 'is', null);
  const jobs = await deletion.where(isSettled(write.now)).returningAll().execute();
  for (const { id } of jobs) write.changed(id);
  return jobs;
}

/**
 * Deletes a finished job, or hides it from its owner, out of the trash too, until nothing depends on it any more; who settles
 * the last of that, or the rescue, removes it then.
 */
export async function deleteOrHide(write: Write, id: string): Promise<Deletion> {
  const [job] = await deleteSettled(write, [id]);
  if (job) return { outcome: 'deleted', job };
  const hidden = await write.tx
    .updateTable('jobs')
    .set({ deleted_at: sql<Date>`coalesce(deleted_at, ${write.now}::timestamptz)`, trashed_at: null })
    .where('id', '=', id)
    .where('stage', '=', 'finished')
    .returning('id')
    .executeTakeFirst();
  if (hidden) {
    write.changed(id);
    return { outcome: 'hidden' };
  }
  const open = await write.tx.selectFrom('jobs').select('id').where('id', '=', id).executeTakeFirst();
  return { outcome: open ? 'open' : 'gone' };
}

/** Jobs that were deleted while something depended on them, and on which nothing depends any more at `now`. */
export async function findSettledHidden(db: Kysely<DB>, now: Date, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('jobs')
    .select('id')
    .where('deleted_at', 'is not', null)
    .where('trashed_at', 'is', null)
    .where(isSettled(now))
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

async function lockJobs({ tx }: Write, ids: readonly string[]): Promise<void> {
  await lockAttemptsOf(tx, ids);
  await tx
    .selectFrom('jobs')
    .select('id')
    .where('id', 'in', [...ids])
    .orderBy('id')
    .forUpdate()
    .execute();
}
