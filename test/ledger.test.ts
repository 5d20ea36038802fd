import { expect, test } from 'vitest';
import { checkLedger } from '../src/usage/ledger-check.repository.ts';
import { createTestApp, type TestApp } from './create-test-app.ts';
import { startSimulator } from './start-simulator.ts';

const USD = 0.123457;
const BODY = { prompt: 'x', model: 'simulator', resolution: '854x480', duration: 3 };
const PRICE_MICROS = 370_371;

/** The app in front of an upstream that says nothing about costs, with a price that was set here. */
async function pricedApp(env: Record<string, string> = {}): Promise<TestApp> {
  const upstream = await startSimulator(['--speed', '50']);
  const app = await createTestApp({ OPENAI_BASE_URL: upstream.url, SIMULATOR: 'off', ...env });
  const price = { provider: 'openai', model: 'simulator', pricePerSecondUsd: USD };
  const answer = await app.admin.request('POST', '/api/v1/admin/prices', price);
  expect(answer.statusCode).toBe(201);
  return app;
}

async function entriesOf({ db }: TestApp, jobId: string): Promise<[string, string, string, number][]> {
  const rows = await db.selectFrom('ledger').selectAll().where('job_id', '=', jobId).orderBy('id').execute();
  return rows.map(({ kind, debit, credit, amount_micros: amount }) => {
    const plain = (account: string) => account.replace(/^(held|spent)\/.*/, '$1');
    return [kind, plain(debit), plain(credit), amount];
  });
}

async function balances({ db }: TestApp): Promise<Record<string, number>> {
  const rows = await db.selectFrom('balances').selectAll().execute();
  return Object.fromEntries(rows.map(({ account, micros }) => [account.replace(/\/.*/, ''), micros]));
}

const HOLD = ['hold', 'held', 'reserve', PRICE_MICROS];
const RELEASE = ['release', 'reserve', 'held', PRICE_MICROS];
const CHARGE = ['charge', 'spent', 'owed/openai', PRICE_MICROS];

test('what is estimated is held, and charged when the video is there', async () => {
  const app = await pricedApp();
  const estimate = (await app.admin.request('POST', '/api/v1/estimate', BODY)).json() as {
    data: { estimatedUsd: number; priceSource: string };
  };
  expect(estimate.data).toMatchObject({ estimatedUsd: PRICE_MICROS / 1e6, priceSource: 'operator' });
  const { jobId, cost } = await app.admin.create(BODY);
  expect(cost).toEqual({ estimatedUsd: estimate.data.estimatedUsd, chargedUsd: null });
  expect(await entriesOf(app, jobId)).toEqual([HOLD]);
  expect(await balances(app)).toEqual({ held: PRICE_MICROS });
  expect((await app.finish(jobId)).cost.chargedUsd).toBe(PRICE_MICROS / 1e6);
  expect(await entriesOf(app, jobId)).toEqual([HOLD, RELEASE, CHARGE]);
  expect(await balances(app)).toEqual({ held: 0, spent: PRICE_MICROS });
  expect((await checkLedger(app.db)).problems).toEqual([]);
});

test.each([
  ['failed', '[sim:fail]'],
  ['failed', '[sim:moderation]'],
  ['failed', '[sim:refused]'],
])('a job that %s and was not billed costs nothing (%s)', async (status, prompt) => {
  const app = await pricedApp();
  const { jobId } = await app.admin.create({ ...BODY, prompt });
  expect((await app.finish(jobId)).status).toBe(status);
  expect(await entriesOf(app, jobId)).toEqual([HOLD, RELEASE]);
  expect((await checkLedger(app.db)).problems).toEqual([]);
});

test('a cancelled job is held until the provider has said what became of it', async () => {
  const app = await pricedApp({ MAX_RUNNING: '1' });
  const pending = await app.admin.create(BODY);
  await app.admin.request('DELETE', `/api/v1/videos/${pending.jobId}`);
  expect(await entriesOf(app, pending.jobId)).toEqual([HOLD, RELEASE]);

  const running = await app.admin.create({ ...BODY, prompt: '[sim:stuck][sim:no-cancel]' });
  await app.settle();
  const answer = await app.admin.request('DELETE', `/api/v1/videos/${running.jobId}`);
  expect(answer.json()).toMatchObject({ data: { cancellation: { outcome: 'cancelled_billed' } } });
  expect(await entriesOf(app, running.jobId)).toEqual([HOLD, RELEASE, CHARGE]);
  expect((await checkLedger(app.db)).problems).toEqual([]);
});

test('a price holds from its moment on, and a job keeps the one it was planned by', async () => {
  const app = await pricedApp();
  const before = await app.admin.create(BODY);
  await app.clock.advance(60_000);
  const later = new Date(app.clock.now() + 60_000).toISOString();
  const price = { provider: 'openai', model: 'simulator', pricePerSecondUsd: 0.5, bySize: { '64x64': 0.1 } };
  const set = (validFrom?: string) =>
    app.admin.request('POST', '/api/v1/admin/prices', { ...price, ...(validFrom ? { validFrom } : {}) });
  expect((await set(later)).statusCode).toBe(201);
  expect((await set(later)).json()).toMatchObject({ error: { code: 'price_exists' } });
  expect((await set('2020-01-01T00:00:00Z')).statusCode).toBe(400);
  expect((await app.admin.create(BODY)).cost.estimatedUsd).toBe(PRICE_MICROS / 1e6);
  await app.clock.advance(60_000);
  expect((await app.admin.create(BODY)).cost.estimatedUsd).toBe(1.5);
  expect((await app.admin.create({ ...BODY, resolution: '64x64' })).cost.estimatedUsd).toBe(0.3);
  expect((await app.finish(before.jobId)).cost.chargedUsd).toBe(PRICE_MICROS / 1e6);
});

test.each([
  ['a negative price', { pricePerSecondUsd: -1 }],
  ['an absurd price', { pricePerSecondUsd: 1e9 }],
  // Rounded it would be free of charge.
  ['a price finer than a micro-dollar', { pricePerSecondUsd: 0.0000004 }],
  ['a size of such a price', { bySize: { '640x360': 0.0000004 } }],
  ['an unknown model', { model: 'nobody' }],
  ['an unknown connection', { provider: 'nobody' }],
  ['an alias', { model: 'sora-2-alias' }],
  ['a size that is none', { bySize: { big: 1 } }],
])('%s is refused and sets nothing', async (_what, change) => {
  const app = await createTestApp();
  const body = { provider: 'simulator', model: 'simulator', pricePerSecondUsd: 1, ...change };
  expect((await app.admin.request('POST', '/api/v1/admin/prices', body)).statusCode).toBe(400);
  expect(await app.db.selectFrom('prices').selectAll().execute()).toEqual([]);
  const stranger = await app.user();
  expect((await stranger.request('POST', '/api/v1/admin/prices', body)).statusCode).toBe(403);
});

test('the ledger cannot be changed, and what is wrong with it is found', async () => {
  const app = await pricedApp();
  const { jobId } = await app.admin.create(BODY);
  await expect(app.db.updateTable('ledger').set({ amount_micros: 1 }).execute()).rejects.toThrow(
    'append-only',
  );
  await expect(app.db.deleteFrom('ledger').execute()).rejects.toThrow('append-only');
  await app.db.updateTable('balances').set({ micros: 1 }).execute();
  await app.db.updateTable('jobs').set({ estimated_micros: 0 }).where('id', '=', jobId).execute();
  await app.finish(jobId);
  await app.db.updateTable('jobs').set({ charged_micros: 7 }).where('id', '=', jobId).execute();
  const { problems } = await checkLedger(app.db);
  expect(problems.map(({ rule }) => rule)).toEqual([
    'every account is the sum of its entries',
    'nothing is held for a job that has ended',
    'what an ended job says it cost is what was charged',
  ]);
});
