import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { secondApp } from './second-app.ts';
import { json, stageVideos, standings, type VideoServer } from './video-server.ts';

/** The stage with many more videos: the first one's rows are copied for all others. */
async function crowd(count: number) {
  const { app, server, env } = await stageVideos(1, { list: 'complete' });
  const { rows } = await sql<{ columns: string }>`
    select string_agg(quote_ident(column_name), ', ') as columns from information_schema.columns
    where table_name = 'jobs' and column_name not in ('id', 'search')`.execute(app.db);
  const columns = sql.raw(rows[0]?.columns ?? '');
  await sql`insert into jobs (id, ${columns}) select 'video_' || lpad(n::text, 32, '0'), ${columns}
    from jobs, generate_series(2, ${count}::int) n`.execute(app.db);
  await sql`insert into attempts (id, job_id, number, connection, state, plan, operation, created_at, sent_at)
    select 'att_' || n, 'video_' || lpad(n::text, 32, '0'), 1, connection, state, plan,
      json_build_object('id', 'up_' || n), created_at, sent_at + n * interval '1 ms'
    from attempts, generate_series(2, ${count}::int) n`.execute(app.db);
  await sql`insert into polls (job_id, connection, due_at) select id, connection, ${new Date(0)} from jobs
    on conflict (job_id) do update set due_at = excluded.due_at`.execute(app.db);
  for (let n = 2; n <= count; n += 1) server.ids.unshift(`up_${n}`);
  return { app, server, env };
}

const isList = (url = '') => /\/videos\?/.test(url);
const pages = (server: VideoServer) =>
  server.calls.filter((call) => call.startsWith('GET') && isList(call)).length;
const singles = (server: VideoServer) => server.calls.filter((call) => /\/videos\/up_\d+$/.test(call)).length;

test('a page that is refused in the middle of a list costs none of the pages before it; the rest is asked about by and by', async () => {
  const { app, server } = await crowd(460);
  server.status = 'completed';
  server.instead = (request, response) => {
    if (!isList(request.url) || !request.url?.includes('after=up_261')) return false;
    json(response, 429, { error: { message: 'Not now.' } });
    return true;
  };
  await app.app.engine.step('polling');
  // Throttled: it is left in peace for now.
  expect(await standings(app)).toEqual({ archiving: 200, rendering: 260 });
  expect(singles(server)).toBe(0);
  server.instead = (request, response) => {
    if (!isList(request.url)) return false;
    json(response, 500, { error: { message: 'Not now.' } });
    return true;
  };
  await app.clock.advance(61_000);
  await app.app.engine.step('polling');
  expect(await standings(app)).toEqual({ archiving: 460 });
  expect(singles(server)).toBe(260);
});

test('what the list tells costs nothing to know again: only news is written', async () => {
  const { app, server } = await crowd(150);
  await app.app.engine.step('polling');
  const before = await sql`select xmin, job_id from polls order by job_id`.execute(app.db);
  await app.clock.advance(2000);
  await app.app.engine.step('polling');
  const after = await sql`select xmin, job_id from polls order by job_id`.execute(app.db);
  expect(after.rows).toEqual(before.rows);
  expect(pages(server)).toBe(4);
  expect(singles(server)).toBe(0);
});

test('one process at a time walks through a list; a dead one is followed by another that goes on where it was', async () => {
  const { app, server, env } = await crowd(250);
  const other = await secondApp(app, env);
  try {
    let calls = 0;
    server.instead = async (request) => {
      if (!isList(request.url)) return false;
      calls += 1;
      if (calls === 1) expect(await other.engine.step('polling')).toBe(0);
      return false;
    };
    await app.app.engine.step('polling');
    expect(pages(server)).toBe(3);
    // As after a kill in the middle: held by a process that is no more, which had read two pages.
    server.calls.length = 0;
    server.status = 'completed';
    server.instead = () => false;
    await sql`update walks set walker = 'dead', held_until = clock_timestamp() - interval '1 s', cursor = 'up_51'`.execute(
      app.db,
    );
    await app.clock.advance(2000);
    await other.engine.step('polling');
    expect(server.calls.find(isList)).toContain('after=up_51');
    await app.clock.advance(2000);
    await app.app.engine.step('polling');
    expect(await standings(app)).toEqual({ archiving: 250 });
    expect(singles(server)).toBeLessThan(10);
  } finally {
    await other.stop();
  }
});

test('a walk that another process has taken over ends: it neither goes on nor says when the next one is due', async () => {
  const { app, server } = await crowd(450);
  let calls = 0;
  server.instead = async (request) => {
    if (!isList(request.url)) return false;
    calls += 1;
    if (calls === 2)
      await sql`update walks set walker = 'other', held_until = clock_timestamp() + interval '1 h'`.execute(
        app.db,
      );
    return false;
  };
  await app.app.engine.step('polling');
  const walk = await app.db.selectFrom('walks').select(['walker', 'due_at']).executeTakeFirst();
  expect(walk?.walker).toBe('other');
  expect(singles(server)).toBe(0);
});
