import { rm } from 'node:fs/promises';
import { sql } from 'kysely';
import { Client } from 'pg';
import { pino } from 'pino';
import { expect, inject, onTestFinished, test, vi } from 'vitest';
import { type App, createApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import type { Database } from '../src/database/open.ts';
import { withDatabase } from '../src/database/url.ts';
import type { EnginePart } from '../src/jobs/engine-runner.ts';
import { readVideo, stateAt } from '../src/providers/simulator/timeline.ts';
import { createTestApp, SMALL, type TestApp } from './create-test-app.ts';
import { testSettings } from './test-env.ts';

const ENV = { MAX_RUNNING: '5', SIMULATOR_SPEED: '100' };

/** Another process of the same installation: an app of its own on the same database, with the same clock. */
async function joinApp({ db, clock }: TestApp): Promise<App> {
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db);
  const { dataDir, settings } = await testSettings(ENV);
  const app = await createApp({
    config: loadConfig(settings),
    databaseUrl: withDatabase(inject('databaseServerUrl'), rows[0]?.name ?? ''),
    logger: pino({ level: 'silent' }),
    clock,
    bossClock: clock.bossClock,
  });
  await app.prepare();
  onTestFinished(async () => {
    await app.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  return app;
}

/** Makes one pending job of the API many: copies of its row, each a little younger. */
async function multiply(db: Database, count: number): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select column_name as name from information_schema.columns
    where table_schema = 'public' and table_name = 'jobs' and is_generated = 'NEVER'
      and column_name not in ('id', 'created_at')`.execute(db);
  const columns = sql.join(rows.map(({ name }) => sql.ref(name)));
  await sql`
    insert into jobs (id, created_at, ${columns})
    select 'video_copy' || n, created_at + n * interval '1 ms', ${columns}
    from jobs, generate_series(1, ${count - 1}::int) as n`.execute(db);
}

/**
 * Counts the jobs in work at every commit that changes their number, one after another: each commit waits for the one
 * before it, so that no two can hide from each other. Returns the most there ever were.
 */
async function watchRunning(db: Database): Promise<() => Promise<number>> {
  await sql`create table watched (running integer not null, most integer not null)`.execute(db);
  await sql`insert into watched values (0, 0)`.execute(db);
  await sql`
    create function watch() returns trigger language plpgsql as $$
    declare
      change integer := (new.status = 'processing')::int - (old.status = 'processing')::int;
    begin
      update watched set running = running + change, most = greatest(most, running + change);
      return null;
    end $$`.execute(db);
  await sql`
    create constraint trigger watch after update on jobs deferrable initially deferred
    for each row when (old.status <> new.status) execute function watch()`.execute(db);
  return async () => (await sql<{ most: number }>`select most from watched`.execute(db)).rows[0]?.most ?? NaN;
}

/**
 * Holds back every second answer to the question how many are in work until somebody else has committed: whoever counts
 * without holding the lock then decides on a number that is no longer true.
 */
function delayCounts(): void {
  const query: unknown = Reflect.get(Client.prototype, 'query');
  const held = new Set<() => void>();
  let counts = 0;
  const spy = vi.spyOn(Client.prototype, 'query').mockImplementation(async function (
    this: Client,
    ...args: unknown[]
  ) {
    const answer: unknown = await Reflect.apply(query as () => unknown, this, args);
    const text = typeof args[0] === 'string' ? args[0] : '';
    if (text === 'commit') for (const release of held) release();
    if (!text.includes('as "running"') || counts++ % 2 === 0) return answer;
    await new Promise<void>((resolve) => {
      held.add(resolve);
      // Where the lock is held, nobody else may have anything to commit.
      setTimeout(resolve, 50);
    });
    return answer;
  } as never);
  onTestFinished(() => spy.mockRestore());
}

/** How many videos the simulator had in work at once, as its own timelines tell. */
async function mostUpstream(db: Database): Promise<number> {
  const attempts = await db.selectFrom('attempts').select('operation').execute();
  const steps = attempts.flatMap(({ operation }) => {
    const video = readVideo(operation);
    if (!video) return [];
    const { endsAt } = stateAt(video, video.acceptedAt, Number(ENV.SIMULATOR_SPEED));
    return [
      { at: video.acceptedAt, change: 1 },
      { at: endsAt, change: -1 },
    ];
  });
  let [running, most] = [0, 0];
  for (const { change } of steps.sort((a, b) => a.at - b.at || a.change - b.change)) {
    running += change;
    most = Math.max(most, running);
  }
  return most;
}

test('two processes that admit from a thousand pending jobs at once never exceed the cap by one', async () => {
  const one = await createTestApp(ENV);
  // It fails at the upstream: its place is free again without a file being fetched.
  await one.admin.create({ ...SMALL, prompt: 'a test clip [sim:fail]' });
  await multiply(one.db, 1000);
  const most = await watchRunning(one.db);
  delayCounts();
  const engines = [one.app.engine, (await joinApp(one)).engine];
  const all = (parts: EnginePart[]) =>
    Promise.all(engines.flatMap((engine) => parts.map((part) => engine.step(part))));
  for (let round = 0; round < 20; round += 1) {
    await all(Array<EnginePart>(4).fill('admission'));
    await all(['tasks']);
    // Places become free while others look for them.
    await all(['polling', 'admission', 'admission', 'admission']);
    await one.clock.advance(100);
  }
  const { ended } = await one.db
    .selectFrom('jobs')
    .select((eb) => eb.fn.countAll<string>().as('ended'))
    .where('stage', '=', 'finished')
    .executeTakeFirstOrThrow();
  expect(Number(ended)).toBeGreaterThan(30);
  expect(await most()).toBe(5);
  expect(await mostUpstream(one.db)).toBe(5);
}, 60_000);

/** The SQL of what `Client.query` was given. */
function textOf(query: unknown): string {
  return typeof query === 'string' ? query : String((query as { text?: unknown }).text);
}

/** Changes when any pending row is written, were it with the same values. */
async function versionsOfPending(db: Database): Promise<{ rows: number; versions: string }> {
  const { rows } = await sql<{ rows: number; versions: string }>`
    select count(*)::int as rows, md5(string_agg(id || ctid::text || xmin::text, ' ' order by id)) as versions
    from jobs where status = 'pending'`.execute(db);
  return rows[0] ?? { rows: 0, versions: '' };
}

test('ten thousand jobs behind a full connection wait quietly: no row is written, a look costs five statements', async () => {
  const app = await createTestApp(ENV);
  await app.admin.create();
  await multiply(app.db, 10_005);
  expect(await app.app.engine.step('admission')).toBe(5);
  const before = await versionsOfPending(app.db);
  expect(before.rows).toBe(10_000);

  const statements = vi.spyOn(Client.prototype, 'query');
  onTestFinished(() => statements.mockRestore());
  // The sweep of changes to send on goes by wall time and is no part of a look.
  const counted = () =>
    statements.mock.calls.filter(([query]: unknown[]) => !textOf(query).includes('job_changes')).length;
  for (let round = 1; round <= 5; round += 1) {
    await app.clock.advance(1000);
    expect(await app.app.engine.step('admission')).toBe(0);
    expect(counted()).toBeLessThanOrEqual(5 * round);
  }
  expect(statements).toHaveBeenCalled();
  statements.mockRestore();
  expect(await versionsOfPending(app.db)).toEqual(before);
}, 60_000);
