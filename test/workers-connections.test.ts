import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { createTestApp, SMALL, type TestApp } from './create-test-app.ts';
import { only, serveProvider } from './provider-server.ts';
import { secondApp } from './second-app.ts';

const BODY = { prompt: 'x', model: 'simulator', resolution: '854x480', duration: 3 };
const HOUR_MS = 60 * 60_000;

/** An app whose provider takes everything, and another process of the same installation that does not know it. */
async function two() {
  const provider = await serveProvider({
    create: (call) => ({ id: `up_${call}`, object: 'video', status: 'queued' }),
    get: () => ({ id: 'up_1', object: 'video', status: 'in_progress', progress: 1 }),
  });
  const app = await createTestApp(only(provider.url));
  const other = await secondApp(app);
  onTestFinished(() => other.stop());
  return { app, other, provider };
}

async function statusOf(app: TestApp, jobId: string) {
  const {
    status,
    stage,
    error_code: code,
  } = await app.db
    .selectFrom('jobs')
    .select(['status', 'stage', 'error_code'])
    .where('id', '=', jobId)
    .executeTakeFirstOrThrow();
  return { status, stage, code };
}

const retries = async (app: TestApp) =>
  (await sql<{ n: number }>`select max(retry_count) as n from pgboss.job`.execute(app.db)).rows[0]?.n;

test('a process that does not know a connection puts its task back for one that does, as often as it gets it', async () => {
  const { app, other, provider } = await two();
  const { jobId } = await app.admin.create(BODY);
  await app.app.engine.step('admission');
  for (let round = 0; round < 5; round += 1) {
    expect(await other.engine.step('tasks')).toBe(1);
    expect(await other.engine.step('tasks')).toBe(0);
    await app.clock.advance(3000);
  }
  expect(await retries(app)).toBe(0);
  expect(await statusOf(app, jobId)).toMatchObject({ status: 'processing', stage: 'submitting' });
  await app.app.engine.step('tasks');
  expect(provider.creates()).toBe(1);
  expect(await statusOf(app, jobId)).toMatchObject({ stage: 'rendering' });
});

test('it leaves downloads, doubts and stops to the one that knows, too', async () => {
  const app = await createTestApp();
  const other = await secondApp(app, only('http://127.0.0.1:9'));
  onTestFinished(() => other.stop());
  const { jobId } = await app.admin.create(SMALL);
  for (let round = 0; round < 50; round += 1) {
    if ((await statusOf(app, jobId)).stage === 'archiving') break;
    for (const part of ['admission', 'tasks', 'polling'] as const) {
      if ((await statusOf(app, jobId)).stage !== 'archiving') await app.app.engine.step(part);
    }
    await app.clock.advance(1000);
  }
  expect(await statusOf(app, jobId)).toMatchObject({ stage: 'archiving' });
  expect(await other.engine.step('tasks')).toBe(1);
  expect(await statusOf(app, jobId)).toMatchObject({ stage: 'archiving' });
  expect(await app.finish(jobId)).toMatchObject({ status: 'completed' });
});

test('jobs of a connection are not given up while a process serves it, however long they wait', async () => {
  const { app, other } = await two();
  const { jobId } = await app.admin.create(BODY);
  for (let hours = 0; hours < 3; hours += 1) {
    await app.clock.advance(HOUR_MS);
    await other.engine.step('rescue');
    await app.app.engine.step('rescue');
  }
  expect(await statusOf(app, jobId)).toMatchObject({ status: 'pending' });
});

test('once no process has served a connection for an hour, its jobs fail, and not a moment before', async () => {
  const { app, other } = await two();
  const { jobId } = await app.admin.create(BODY);
  await app.app.stop();
  await app.clock.advance(HOUR_MS - 60_000);
  await other.engine.step('rescue');
  expect(await statusOf(app, jobId)).toMatchObject({ status: 'pending' });
  await app.clock.advance(2 * 60_000);
  await other.engine.step('rescue');
  expect(await statusOf(app, jobId)).toMatchObject({ status: 'failed', code: 'connection_missing' });
});

test('a process that has just started fails nothing, however long a connection has not been served', async () => {
  const { app } = await two();
  const { jobId } = await app.admin.create(BODY);
  await app.app.stop();
  await app.clock.advance(24 * HOUR_MS);
  const late = await secondApp(app);
  onTestFinished(() => late.stop());
  await late.engine.step('rescue');
  expect(await statusOf(app, jobId)).toMatchObject({ status: 'pending' });
});

test('a job that was admitted for a connection that is gone fails too, and only while no call has gone out', async () => {
  const { app, other } = await two();
  const { jobId } = await app.admin.create(BODY);
  await app.app.engine.step('admission');
  await app.app.stop();
  await app.clock.advance(HOUR_MS + 60_000);
  await other.engine.step('rescue');
  expect(await statusOf(app, jobId)).toMatchObject({ status: 'failed', code: 'connection_missing' });
  const { state } = await app.db.selectFrom('attempts').select('state').executeTakeFirstOrThrow();
  expect(state).toBe('rejected');
});
