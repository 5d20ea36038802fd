import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sql } from 'kysely';
import { checkLedger } from '../src/usage/ledger-check.repository.ts';
import { createTestApp, SMALL, type TestApp, useTestApp } from './create-test-app.ts';
import { secondApp } from './second-app.ts';
import { startSimulator } from './start-simulator.ts';

const STUCK = { prompt: '[sim:stuck] x', model: 'simulator', resolution: '854x480', duration: 3 };
const DELETE = (id: string) => ({ method: 'DELETE', url: `/v1/videos/${id}` }) as const;
const CANCEL = (id: string) => ({ method: 'DELETE', url: `/api/v1/videos/${id}` }) as const;
const PURGE = (id: string) => ({ method: 'DELETE', url: `/api/v1/videos/${id}?purge=true` }) as const;
const BULK = (action: string) => (id: string) =>
  ({ method: 'POST', url: '/api/v1/videos/bulk', payload: { action, ids: [id] } }) as const;

const shared = useTestApp();

function findRow({ db }: TestApp, id: string) {
  return db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
}

/** A finished video of `shared`. */
async function finished(prompt = 'x'): Promise<string> {
  const { jobId } = await shared().admin.create({ ...SMALL, prompt });
  await shared().finish(jobId);
  return jobId;
}

test.each([
  ['two DELETEs', [DELETE, DELETE]],
  ['a cancellation and a DELETE', [CANCEL, DELETE]],
  ['a cancellation, a DELETE and two purges', [CANCEL, DELETE, PURGE, BULK('purge')]],
  ['a bulk delete while it is cancelled and deleted', [BULK('delete'), CANCEL, BULK('cancel'), DELETE]],
])('%s at once, at two processes, leave nothing held and nothing running', async (_what, asked) => {
  const upstream = await startSimulator(['--speed', '50']);
  const env = { OPENAI_BASE_URL: upstream.url, OPENAI_MODELS: 'simulator', SIMULATOR: 'off' };
  const app = await createTestApp(env);
  const other = await secondApp(app, env);
  try {
    const price = { provider: 'openai', model: 'simulator', pricePerSecondUsd: 0.1 };
    expect((await app.admin.request('POST', '/api/v1/admin/prices', price)).statusCode).toBe(201);
    const { jobId } = await app.admin.create(STUCK);
    await app.settle();
    const attempt = await app.db.selectFrom('attempts').select('operation').executeTakeFirstOrThrow();
    const headers = { authorization: `Bearer ${app.admin.key}` };
    // Both know it as running.
    for (const { server } of [app.app, other])
      await server.inject({ url: `/api/v1/videos/${jobId}`, headers });
    const answers = await Promise.all(
      asked.map((ask, n) => (n % 2 === 0 ? app.app : other).server.inject({ headers, ...ask(jobId) })),
    );
    expect(answers.filter(({ statusCode }) => statusCode >= 500)).toEqual([]);
    for (let round = 0; round < 5; round += 1) {
      await app.settle();
      await app.clock.advance(60_000);
    }
    const { id } = attempt.operation as { id: string };
    expect((await fetch(`${upstream.url}/v1/videos/${id}`)).status).toBe(404);
    const held = await app.db.selectFrom('balances').selectAll().where('account', 'like', 'held/%').execute();
    expect(held.map(({ micros }) => micros)).toEqual([0]);
    expect((await checkLedger(app.db)).problems).toEqual([]);
  } finally {
    await other.stop();
  }
});

test('a deleted job that may still run upstream is hidden, and goes with its files once that is known', async () => {
  const app = shared();
  const jobId = await finished();
  const { result } = await app.db
    .selectFrom('jobs')
    .select('result')
    .where('id', '=', jobId)
    .executeTakeFirstOrThrow();
  const { key } = (result as { files: { video: { key: string } } }).files.video;
  const attempt = app.db.updateTable('attempts').where('job_id', '=', jobId);
  await attempt.set({ duty: 'stop', duty_at: new Date(app.clock.now()) }).execute();
  expect((await app.admin.request('DELETE', `/v1/videos/${jobId}`)).statusCode).toBe(200);
  expect((await app.admin.request('GET', `/api/v1/videos/${jobId}`)).statusCode).toBe(404);
  await app.app.engine.step('rescue');
  expect(await findRow(app, jobId)).toMatchObject({ trashed_at: null });
  expect(existsSync(join(app.dataDir, 'storage', key))).toBe(true);
  await attempt.set({ duty: null, stop_outcome: 'cancelled' }).execute();
  await app.app.engine.step('rescue');
  expect(await findRow(app, jobId)).toBeUndefined();
  expect(existsSync(join(app.dataDir, 'storage', key))).toBe(false);
});

test('a purge is decided by the row: what is not finished is refused, and stays', async () => {
  const app = shared();
  const { jobId } = await app.admin.create({ ...SMALL, prompt: '[sim:stuck]' });
  await app.settle();
  const answer = await app.admin.inject(PURGE(jobId));
  expect(answer.json()).toMatchObject({ error: { code: 'job_not_finished' } });
  expect(await findRow(app, jobId)).toMatchObject({ stage: 'rendering', deleted_at: null });
});

test.each([
  ['is open', `update jobs set finished_at = finished_at`, '[sim:stuck]'],
  ['may still run', `update attempts set duty = 'stop', duty_at = now()`, 'x'],
  ['may still run', `update attempts set state = 'unconfirmed', operation = null`, 'x'],
  [
    'is still held for',
    `insert into ledger (kind, debit, credit, amount_micros, owner_id, connection, model, job_id, created_at)
      select 'hold', 'held/x', 'reserve', 1, owner_id, connection, model, id, now() from jobs
      where not exists (select from ledger where job_id = jobs.id)`,
    'x',
  ],
])('the database lets nothing delete a job that %s', async (why, change, prompt) => {
  const app = await createTestApp();
  const { jobId } = await app.admin.create({ ...SMALL, prompt });
  await (prompt === 'x' ? app.finish(jobId) : app.settle());
  await sql.raw(change).execute(app.db);
  await expect(app.db.deleteFrom('jobs').execute()).rejects.toMatchObject({
    code: '23514',
    message: expect.stringContaining(why) as string,
  });
  expect(await findRow(app, jobId)).toBeDefined();
  // Its owner's deletion hides it, or cancels it first; it is never an error.
  expect((await app.admin.request('DELETE', `/v1/videos/${jobId}`)).statusCode).toBe(200);
  expect((await app.admin.request('GET', `/api/v1/videos/${jobId}`)).statusCode).toBe(404);
  expect((await findRow(app, jobId)) !== undefined).toBe(prompt === 'x');
});
