import { type Kysely, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { Job } from './job.ts';
import type { Write } from './write.ts';

/** How many videos are in work on a connection. */
export async function countRunning(write: Write, connection: string): Promise<number> {
  const { running } = await write.tx
    .selectFrom('jobs')
    .select((eb) => eb.fn.countAll<number>().as('running'))
    .where('connection', '=', connection)
    .where('status', '=', 'processing')
    .executeTakeFirstOrThrow();
  return Number(running);
}

/**
 * Who is next: by priority; then whoever has the fewest in work, counting those chosen before it; then by age. So a
 * thousand jobs of one user do not hold up the first of another.
 */
export async function chooseNext(write: Write, connection: string, count: number): Promise<Job[]> {
  const { rows } = await sql<Job>`
    with running as (
      select owner_id, count(*) as count from jobs
      where connection = ${connection} and status = 'processing' group by owner_id
    ), waiting as (
      select id, owner_id, priority, created_at,
        row_number() over (partition by owner_id, priority order by created_at, id) as place
      from jobs
      where connection = ${connection} and status = 'pending' and due_at <= ${write.now}
    ), chosen as (
      select waiting.id,
        row_number() over (
          order by waiting.priority desc, waiting.place + coalesce(running.count, 0), waiting.created_at, waiting.id
        ) as rank
      from waiting left join running using (owner_id)
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
