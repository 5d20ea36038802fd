import { sql } from 'kysely';
import type { Db } from './open.ts';

/** Most changes sent on in one commit. */
export const MOST_SENT = 500;

/**
 * Sends on what changes of jobs have left in `job_changes` above an id, as notifications on the channel `jobs`, oldest first.
 * Lines and notifications go in one commit: a process that dies on the way leaves them to the next. Lines that another process
 * is sending are left to it. Returns how many were sent, and the highest id drawn before.
 */
export async function sendChanges(db: Db, above = 0): Promise<{ sent: number; top: number }> {
  const { rows } = await sql<{ sent: number; top: number }>`
    with taken as (
      delete from job_changes where id = any(array(
        select id from job_changes where id > ${above}::bigint order by id limit ${MOST_SENT} for update skip locked
      ))
      returning id, job_id, stage
    ), told as (
      select pg_notify('jobs', job_id || ' ' || stage) from (select * from taken order by id) as line
    )
    select count(*)::int as sent, (select last_value from job_changes_id_seq)::float8 as top from told`.execute(
    db,
  );
  return rows[0] ?? { sent: 0, top: 0 };
}
