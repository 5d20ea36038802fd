import type { Client, Pool } from 'pg';
import type { App } from '../src/app.ts';
import { AUTHORIZED } from './bench-app.ts';

const BODY = { model: 'simulator', prompt: 'A paper boat on a mountain lake at dawn', duration: 4 };

/** Creates one job the usual way, as a pattern for others; its id. */
export async function firstJob({ server }: App): Promise<string> {
  const request = { method: 'POST', url: '/api/v1/videos', headers: AUTHORIZED, payload: BODY } as const;
  const { statusCode, body } = await server.inject(request);
  if (statusCode !== 201) throw new Error(body);
  return (JSON.parse(body) as { data: { jobId: string } }).data.jobId;
}

/**
 * So many copies of a job, asked for by `people` users in turns (its own by default) and owned as it is, a second older
 * each; with `changes`, in SQL, afterwards. Their ids.
 */
export async function copyJobs(
  db: Client | Pool,
  pattern: string,
  count: number,
  changes?: string,
  people = 0,
): Promise<string[]> {
  const { rows } = await db.query<{ columns: string }>(
    `select string_agg(quote_ident(column_name), ', ') as columns from information_schema.columns
     where table_name = 'jobs' and table_schema = 'public' and is_generated = 'NEVER' and is_identity = 'NO'
       and column_name not in ('id', 'owner_id', 'user_id', 'api_key_id', 'created_at')`,
  );
  const columns = rows[0]?.columns ?? '';
  if (people > 0)
    await db.query(
      `insert into users (id, name, role, created_at)
       select 'usr_copy_' || n, 'Somebody', 'user', now() from generate_series(0, $1::int - 1) as n`,
      [people],
    );
  const user = people > 0 ? `'usr_copy_' || n % ${people}` : 'jobs.user_id';
  const made = await db.query<{ id: string }>(
    `insert into jobs (id, owner_id, user_id, created_at, ${columns})
     select 'video_' || md5('copy ' || n), jobs.owner_id, ${user}, jobs.created_at - n * interval '1 second', ${columns.replace(/("?\w+"?)/g, 'jobs.$1')}
     from jobs, generate_series(1, $2::int) as n where jobs.id = $1 returning id`,
    [pattern, count],
  );
  const ids = made.rows.map(({ id }) => id);
  if (changes !== undefined) await db.query(`update jobs set ${changes} where id = any($1)`, [ids]);
  return ids;
}
