import { rm } from 'node:fs/promises';
import { pino } from 'pino';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { createApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import type { Database } from '../src/database/open.ts';
import type { EngineRunner } from '../src/jobs/engine-runner.ts';
import { createTestApp, SMALL, type TestApp } from './create-test-app.ts';
import { testSettings } from './test-env.ts';

const CAP = 5;

/** Another process of the same installation: an app of its own on the same database, moved by the same clock. */
async function joinApp({ databaseUrl, clock }: { databaseUrl: string; clock: TestApp['clock'] }) {
  const { dataDir, settings } = await testSettings({ MAX_RUNNING: String(CAP) });
  const app = await createApp({
    config: loadConfig(settings),
    databaseUrl,
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

/** Copies one pending job of the API: all its rows but for the id and the age. */
async function multiply(db: Database, count: number): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select column_name as name from information_schema.columns
    where table_schema = 'public' and table_name = 'jobs' and is_generated = 'NEVER'
      and column_name not in ('id', 'created_at')`.execute(db);
  const columns = sql.join(rows.map(({ name }) => sql.ref(name)));
  await sql`
    insert into jobs (id, created_at, ${columns})
    select 'video_copy' || n, created_at + n * interval '1 ms', ${columns} from jobs, generate_series(1, ${count - 1}) n
  `.execute(db);
}

/** Notes, after every statement that changes jobs, how many were in work: inside the transaction and at its end. */
async function watchRunning(db: Database): Promise<() => Promise<number>> {
  await sql`create table watched (running bigint not null)`.execute(db);
  await sql`
    create function watch() returns trigger language plpgsql as $$
    begin
      insert into watched select count(*) from jobs where status = 'processing';
      return null;
    end $$`.execute(db);
  await sql`create trigger watch after update on jobs for each statement execute function watch()`.execute(db);
  return async () => {
    const { rows } = await sql<{ most: string }>`select max(running) as most from watched`.execute(db);
    return Number(rows[0]?.most);
  };
}
