import { type Kysely, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import { lockRunningQuotas, WITHIN_RUNNING_QUOTAS } from '../usage/running.repository.ts';
import type { Job } from './job.ts';
import { HOLDS_PLACE } from './places.ts';
import type { Write } from './write.ts';

/** How many videos are in work on a connection, and whether anybody's number of videos in work is limited. */
export async function countRunning(
  write: Write,
  connection: string,
): Promise<{ running: number; isLimited: boolean }> {
  const { running, isLimited } = await write.tx
    .selectFrom('jobs')
    .select((eb) => [
      eb.fn.countAll<number>().as('running'),
      eb.exists(eb.selectFrom('quotas').select('scope').where('metric', '=', 'running')).as('isLimited'),
    ])
    .where('connection', '=', connection)
    .where(HOLDS_PLACE)
    .executeTakeFirstOrThrow();
  return { running: Number(running), isLimited: Boolean(isLimited) };
}

/**
 * Who is next: by priority; then whoever has the fewest in work, counting those chosen before it; then by age. So a
 * thousand jobs of one user do not hold up the first of another.
 */
export async function chooseNext(
  write: Write,
  connection: string,
  count: number,
  { isLimited }: { isLimited: boolean },
): Promise<Job[]> {
  if (isLimited) await lockRunningQuotas(write.tx);
  const { rows } = await sql<Job>`
    with running as (
      select coalesce(user_id, owner_id) as person, count(*) as count from jobs
      where connection = ${connection} and status = 'processing' group by person
    ), pending as (
      select id, owner_id, user_id, api_key_id, priority, created_at from jobs
      where connection = ${connection} and status = 'pending' and due_at <= ${write.now}
    ), ${isLimited ? WITHIN_RUNNING_QUOTAS : sql`admissible as (table pending)`}, waiting as (
      select id, coalesce(user_id, owner_id) as person, priority, created_at,
        row_number() over (
          partition by coalesce(user_id, owner_id), priority order by created_at, id
        ) as place
      from admissible
    ), chosen as (
      select waiting.id,
        row_number() over (
          order by waiting.priority desc, waiting.place + coalesce(running.count, 0), waiting.created_at, waiting.id
        ) as rank
      from waiting left join running using (person)
      order by rank limit ${count}
    )
    select jobs.* from jobs join chosen using (id) order by rank`.execute(write.tx);
  return rows;
}

/** Connections on which somebody waits whose time has come. */
export async function connectionsWaiting(
  db: Kysely<DB>,
  connections: string[],
  now: Date,
): Promise<string[]> {
  if (connections.length === 0) return [];
  const { rows } = await sql<{ name: string }>`
    select candidate.name from unnest(${connections}::text[]) as candidate (name)
    where exists (
      select from jobs where connection = candidate.name and status = 'pending' and due_at <= ${now}
    )`.execute(db);
  return rows.map((row) => row.name);
}
