import { rm } from 'node:fs/promises';
import OpenAI from 'openai';
import { expect, onTestFinished, test } from 'vitest';
import { createTestDatabase } from '../src/database/testing.ts';
import { checkLedger } from '../src/usage/ledger-check.repository.ts';
import { type Product, startProduct } from './start-process.ts';
import { startSimulator } from './start-simulator.ts';
import { testSettings } from './test-env.ts';
import { createTestApp, SMALL, type TestApp, useTestApp } from './create-test-app.ts';

const DAY_MS = 24 * 3600 * 1000;
/** Of `BODY`, at the price of `priced`. */
const COST = 0.25;
const BODY = { ...SMALL, model: 'simulator', duration: 1 };
/** Never ends: what was held for it stays. */
const OPEN = { ...BODY, prompt: '[sim:stuck]' };

interface Use {
  limit: string;
  scope: string;
  subjectId: string;
  used: number;
  hard: number | null;
  remaining: number | null;
  resetsAt: string | null;
}

async function priced(env: Record<string, string> = {}): Promise<TestApp> {
  const app = await createTestApp(env);
  const price = { provider: 'simulator', model: 'simulator', pricePerSecondUsd: COST };
  expect((await app.admin.request('POST', '/api/v1/admin/prices', price)).statusCode).toBe(201);
  return app;
}

async function setQuota(app: TestApp, path: string, limits: object): Promise<void> {
  const url = `/api/v1/admin/quotas/${path}`;
  const answer = await app.admin.inject({ method: 'PUT', url, payload: limits });
  expect(answer.statusCode, answer.body).toBe(200);
}

async function use(caller: TestApp['admin'], limit: string, scope = 'user'): Promise<Use> {
  const { data } = (await caller.request('GET', '/api/v1/quota')).json() as { data: { uses: Use[] } };
  const found = data.uses.find((candidate) => candidate.limit === limit && candidate.scope === scope);
  if (!found) throw new Error(`no use of ${limit} by ${scope}`);
  return found;
}

test('of 200 creates at once against a budget for 50, exactly 50 are accepted', async () => {
  const app = await priced({ DATABASE_POOL_MAX: '20' });
  await setQuota(app, 'user/usr_admin', { usdPerDay: { hard: 50 * COST } });
  const answers = await Promise.all(
    Array.from({ length: 200 }, () => app.admin.request('POST', '/api/v1/videos', BODY)),
  );
  const byStatus = Map.groupBy(answers, ({ statusCode }) => statusCode);
  expect([...byStatus].map(([status, { length }]) => [status, length]).toSorted()).toEqual([
    [201, 50],
    [402, 150],
  ]);
  expect(await use(app.admin, 'usdPerDay')).toMatchObject({ used: 12.5, hard: 12.5, remaining: 0 });
  expect((await app.db.selectFrom('jobs').select('id').execute()).length).toBe(50);
  expect((await checkLedger(app.db)).problems).toEqual([]);
});

test('a quota that many set at once is set by each, one after the other', async () => {
  const { admin, db } = await createTestApp({ DATABASE_POOL_MAX: '10' });
  const url = '/api/v1/admin/quotas/role/user';
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      admin.inject({ method: 'PUT', url, payload: { videosPerDay: { hard: n + 1 } } }),
    ),
  );
  expect(answers.map(({ statusCode }) => statusCode)).toEqual(Array(12).fill(200));
  const entries = await db
    .selectFrom('audit_log')
    .select('details')
    .where('action', '=', 'quota.set')
    .orderBy('id')
    .execute();
  const steps = entries.map(({ details }) => details as { from: unknown; to: unknown });
  // Each one found what the one before had left.
  expect(steps.slice(1).map(({ from }) => from)).toEqual(steps.slice(0, -1).map(({ to }) => to));
});

test('a denial says what is left and when it starts anew, and clients do not ask again', async () => {
  const app = await priced({ QUOTA_TIME_ZONE: 'America/New_York' });
  await setQuota(app, 'role/admin', { usdPerDay: { hard: 0.6 } });
  await app.admin.create(BODY);
  const denied = await app.admin.request('POST', '/api/v1/videos', { ...BODY, duration: 2 });
  expect(denied.statusCode).toBe(402);
  expect(denied.headers['x-should-retry']).toBe('false');
  const { error } = denied.json() as {
    error: { code: string; message: string; details: { exceeded: Use[] } };
  };
  expect(error.code).toBe('budget_exceeded');
  expect(error.message).toContain('has $0.35 of $0.6 left; this asks for $0.5');
  const [exceeded] = error.details.exceeded;
  expect(exceeded).toMatchObject({
    limit: 'usdPerDay',
    scope: 'user',
    used: COST,
    remaining: 0.35,
    asked: 0.5,
  });
  // Midnight in New York.
  expect(exceeded?.resetsAt).toMatch(/T0[45]:00:00\.000Z$/);
  expect(Date.parse(String(exceeded?.resetsAt)) - app.clock.now()).toBeLessThanOrEqual(DAY_MS);

  await app.clock.advance(DAY_MS);
  expect((await app.admin.request('POST', '/api/v1/videos', { ...BODY, duration: 2 })).statusCode).toBe(201);

  const url = await app.app.server.listen({ port: 0 });
  const openai = new OpenAI({ apiKey: app.admin.key, baseURL: `${url}/v1`, maxRetries: 5 });
  const asked = openai.videos.create({ model: 'simulator' as never, prompt: 'x', seconds: '8' });
  await expect(asked).rejects.toMatchObject({ status: 402, code: 'insufficient_quota' });
});

test('what brought nothing is given back, and what it really cost counts in the end', async () => {
  const app = await priced();
  await setQuota(app, 'role/admin', { videosPerDay: { hard: 2 }, secondsPerMonth: { hard: 10 } });
  const failed = await app.admin.create({ ...BODY, prompt: '[sim:fail]' });
  await app.admin.create(OPEN);
  const denied = await app.admin.request('POST', '/api/v1/videos', BODY);
  expect(denied.statusCode).toBe(429);
  expect(denied.json()).toMatchObject({ error: { code: 'quota_exceeded' } });
  expect(await use(app.admin, 'usdPerDay')).toMatchObject({ used: 2 * COST, hard: null, remaining: null });
  expect((await app.finish(failed.jobId)).status).toBe('failed');
  expect(await use(app.admin, 'videosPerDay')).toMatchObject({ used: 1, remaining: 1 });
  expect(await use(app.admin, 'secondsPerMonth')).toMatchObject({ used: 1, remaining: 9 });
  expect(await use(app.admin, 'usdPerDay')).toMatchObject({ used: COST });
  const cancelled = await app.admin.create(BODY);
  await app.admin.request('DELETE', `/api/v1/videos/${cancelled.jobId}`);
  expect(await use(app.admin, 'videosPerDay')).toMatchObject({ used: 1 });
  expect(await use(app.admin, 'usdPerDay', 'key')).toMatchObject({ used: COST });
});

test('a settlement after midnight leaves the new day alone', async () => {
  const app = await priced();
  const stale = await app.admin.create({ ...BODY, prompt: '[sim:fail]' });
  await app.clock.advance(DAY_MS);
  await app.admin.create(OPEN);
  await app.finish(stale.jobId);
  expect(await use(app.admin, 'usdPerDay')).toMatchObject({ used: COST });
  expect(await use(app.admin, 'videosPerDay')).toMatchObject({ used: 1 });
});

test('a batch is accepted as a whole or not at all; a key that was used before gets its answer', async () => {
  const app = await priced();
  await setQuota(app, 'role/admin', { videosPerDay: { hard: 3 } });
  const batch = (count: number) => ({ videos: Array.from({ length: count }, () => BODY) });
  const four = await app.admin.request('POST', '/api/v1/videos/batch', batch(4));
  expect(four.statusCode).toBe(429);
  expect(await app.db.selectFrom('batches').selectAll().execute()).toEqual([]);
  expect(await app.db.selectFrom('ledger').selectAll().execute()).toEqual([]);
  expect(await use(app.admin, 'videosPerDay')).toMatchObject({ used: 0 });
  expect((await app.admin.request('POST', '/api/v1/videos/batch', batch(2))).statusCode).toBe(201);

  const once = {
    method: 'POST',
    url: '/api/v1/videos',
    payload: BODY,
    headers: { 'idempotency-key': 'k' },
  } as const;
  const first = await app.admin.inject(once);
  expect(first.statusCode).toBe(201);
  expect((await app.admin.inject(once)).json()).toEqual(first.json());
  expect((await app.admin.request('POST', '/api/v1/videos', BODY)).statusCode).toBe(429);
});

test('a quota of one’s own comes before that of the role, and null lifts it', async () => {
  const app = await priced();
  const [frugal, free] = [await app.user('frugal'), await app.user('free')];
  const { subjectId } = await use(free, 'videosPerDay');
  await setQuota(app, 'role/user', { videosPerDay: { hard: 1 } });
  await setQuota(app, `user/${subjectId}`, { videosPerDay: { hard: null } });
  for (const caller of [frugal, free]) await caller.create(BODY);
  expect((await frugal.request('POST', '/api/v1/videos', BODY)).statusCode).toBe(429);
  expect((await free.request('POST', '/api/v1/videos', BODY)).statusCode).toBe(201);
});

test('a soft limit is told of once, when it is crossed', async () => {
  const app = await priced();
  await setQuota(app, 'role/admin', { usdPerMonth: { soft: 2 * COST } });
  for (let count = 0; count < 4; count += 1) await app.admin.create(BODY);
  const events = await app.db
    .selectFrom('events')
    .select('data')
    .where('type', '=', 'quota.soft_limit_crossed')
    .execute();
  expect(events.map(({ data }) => data)).toEqual([
    { scope: 'user', subjectId: 'usr_admin', metric: 'usd_month', soft: 500_000, used: 750_000 },
  ]);
});

test('no more videos are in work than the quota says, over all connections; the rest wait', async () => {
  const app = await priced();
  const other = await app.user('other');
  await setQuota(app, 'user/usr_admin', { running: { hard: 2 } });
  for (let count = 0; count < 4; count += 1) await app.admin.create(OPEN);
  const theirs = await other.create(OPEN);
  await app.settle();
  const statuses = async () => {
    const rows = await app.db.selectFrom('jobs').select(['status', 'owner_id']).execute();
    return rows.filter(({ owner_id: owner }) => owner === 'usr_admin').map(({ status }) => status);
  };
  expect((await statuses()).toSorted()).toEqual(['pending', 'pending', 'processing', 'processing']);
  expect((await other.get(theirs.jobId)).status).toBe('processing');
  expect(await use(app.admin, 'running')).toMatchObject({ used: 2, hard: 2, remaining: 0 });
  await setQuota(app, 'user/usr_admin', { running: { hard: 3 } });
  await app.settle();
  expect((await statuses()).toSorted()).toEqual(['pending', 'processing', 'processing', 'processing']);
});

test('a key’s spend cap holds for good', async () => {
  const app = await priced();
  await app.db
    .updateTable('api_keys')
    .set({ spend_cap_micros: 2 * COST * 1e6 })
    .execute();
  for (let count = 0; count < 2; count += 1) await app.admin.create(BODY);
  await app.clock.advance(40 * DAY_MS);
  const denied = await app.admin.request('POST', '/api/v1/videos', BODY);
  expect(denied.json()).toMatchObject({
    error: { code: 'budget_exceeded', details: { exceeded: [{ limit: 'spendCapUsd', resetsAt: null }] } },
  });
});

test('a key that takes another one’s place has spent what that one has', async () => {
  const app = await priced();
  const made = await app.admin.request('POST', '/api/v1/keys', {
    name: 'capped',
    scopes: ['videos:read', 'videos:write'],
    spendCapUsd: 2 * COST,
  });
  const { id, key } = (made.json() as { data: { id: string; key: string } }).data;
  const by = (secret: string) =>
    app.app.server.inject({
      method: 'POST',
      url: '/api/v1/videos',
      payload: OPEN,
      headers: { 'x-api-key': secret },
    });
  expect((await by(key)).statusCode).toBe(201);
  const rotated = await app.admin.request('POST', `/api/v1/keys/${id}/rotate`, { overlapSeconds: 60 });
  const next = (rotated.json() as { data: { key: string } }).data.key;
  expect((await by(next)).statusCode).toBe(201);
  for (const secret of [key, next]) expect((await by(secret)).statusCode).toBe(402);
  const shown = await app.admin.request('GET', `/api/v1/keys/${id}`);
  expect(shown.json()).toMatchObject({ data: { spentUsd: 2 * COST, spendCapUsd: 2 * COST } });
  expect((await checkLedger(app.db)).problems).toEqual([]);
});

test('a model without a price is refused, unless an administrator says so', async () => {
  const upstream = await startSimulator(['--speed', '50']);
  const env = {
    OPENAI_BASE_URL: upstream.url,
    SIMULATOR: 'off',
    UNPRICED_MODELS: 'refuse',
    OPENAI_MODELS: 'wan',
  };
  const body = { prompt: 'x' };
  const app = await createTestApp(env);
  for (const path of ['videos', 'estimate']) {
    const refused = await app.admin.request('POST', `/api/v1/${path}`, body);
    expect(refused.json()).toMatchObject({
      error: { code: 'model_without_price', details: { model: 'wan', provider: 'openai' } },
    });
    expect(refused.statusCode).toBe(403);
  }
  const price = { provider: 'openai', model: 'wan', pricePerSecondUsd: 0 };
  expect((await app.admin.request('POST', '/api/v1/admin/prices', price)).statusCode).toBe(201);
  expect((await app.admin.create(body)).cost.estimatedUsd).toBe(0);

  const configured = await createTestApp({ ...env, OPENAI_PRICE_PER_SECOND: '0.1' });
  const { cost, duration } = await configured.admin.create(body);
  expect(cost.estimatedUsd).toBe(duration / 10);
});

test('two processes do not overrun a budget either', async () => {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const env = { DATABASE_URL: database.url, DATABASE_POOL_MAX: '20', SIMULATOR_SPEED: '1' };
  const products: Product[] = [];
  for (const role of ['all', 'api']) {
    const { dataDir } = await testSettings({});
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
    const product = await startProduct({ dataDir, env: { ...env, ROLE: role } });
    onTestFinished(() => product.kill('SIGTERM'));
    products.push(product);
  }
  const [one, two] = products as [Product, Product];
  const price = { provider: 'simulator', model: 'simulator', pricePerSecondUsd: COST };
  expect((await one.post('/api/v1/admin/prices', price)).status).toBe(201);
  // The other process hears of the price a moment later.
  const estimate = async () => (await (await two.post('/api/v1/estimate', BODY)).json()) as unknown;
  await expect.poll(estimate).toMatchObject({ data: { estimatedUsd: COST } });
  const limit = { metric: 'usd_month', hard: 50 * COST * 1e6, soft: null } as const;
  const subject = { scope: 'user', subject_id: 'usr_admin' } as const;
  await database.db
    .insertInto('quotas')
    .values({ ...subject, ...limit, updated_by: 'usr_admin', updated_at: new Date() })
    .execute();
  const asked = Array.from({ length: 200 }, (_, index) =>
    (index % 2 === 0 ? one : two).post('/api/v1/videos', OPEN),
  );
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 201)).toHaveLength(50);
  expect(statuses.filter((status) => status === 402)).toHaveLength(150);
  expect((await checkLedger(database.db)).problems).toEqual([]);
}, 60_000);

const shared = useTestApp();

test.each([
  ['a negative amount', 'user/usr_admin', { usdPerDay: { hard: -1 } }, 400],
  ['an absurd amount', 'user/usr_admin', { usdPerDay: { hard: 1e12 } }, 400],
  // Rounded it would refuse everything.
  ['a budget finer than a micro-dollar', 'user/usr_admin', { usdPerDay: { hard: 0.0000004 } }, 400],
  ['a fraction of a video', 'user/usr_admin', { videosPerDay: { hard: 1.5 } }, 400],
  ['a text', 'user/usr_admin', { videosPerDay: { hard: 'many' } }, 400],
  ['an unknown limit', 'user/usr_admin', { usdPerYear: { hard: 1 } }, 400],
  ['a soft limit above the hard one', 'user/usr_admin', { usdPerDay: { hard: 1, soft: 2 } }, 400],
  ['an unknown scope', 'planet/earth', { usdPerDay: { hard: 1 } }, 400],
  ['nobody', 'user/usr_nobody', { usdPerDay: { hard: 1 } }, 404],
  ['an unknown role', 'role/king', { usdPerDay: { hard: 1 } }, 404],
])('%s is refused and sets nothing', async (_what, path, payload, status) => {
  const { admin, db } = shared();
  for (const url of [`/api/v1/admin/quotas/${path}`, `/api/v1/admin/quotas/${path}/preview`]) {
    const method = url.endsWith('preview') ? 'POST' : 'PUT';
    expect((await admin.inject({ method, url, payload })).statusCode).toBe(status);
  }
  expect(await db.selectFrom('quotas').selectAll().execute()).toEqual([]);
});

test('a preview names those who would be over; what was set is listed and written down', async () => {
  const app = shared();
  const [big, small] = [await app.user('big'), await app.user('small')];
  for (const caller of [big, big, big, small]) await caller.create();
  const url = '/api/v1/admin/quotas/role/user';
  const payload = { videosPerDay: { hard: 2, soft: 1 } };
  const preview = await app.admin.request('POST', `${url}/preview`, payload);
  const { subjectId } = await use(big, 'videosPerDay');
  expect(preview.json()).toMatchObject({ data: [{ subjectId, used: 3, hard: 2, soft: 1, remaining: 0 }] });
  expect((preview.json() as { data: unknown[] }).data).toHaveLength(1);

  await setQuota(app, 'role/user', payload);
  const listed = await app.admin.request('GET', '/api/v1/admin/quotas');
  expect(listed.json()).toMatchObject({
    data: [{ scope: 'role', subjectId: 'user', limits: payload, updatedBy: 'usr_admin' }],
  });
  await setQuota(app, 'role/user', {});
  expect((await app.admin.request('GET', '/api/v1/admin/quotas')).json()).toMatchObject({ data: [] });
  const audit = await app.db.selectFrom('audit_log').select(['action', 'details']).orderBy('id').execute();
  expect(audit).toEqual([
    { action: 'quota.set', details: { scope: 'role', from: {}, to: payload } },
    { action: 'quota.set', details: { scope: 'role', from: payload, to: {} } },
  ]);
  expect((await big.inject({ method: 'PUT', url, payload })).statusCode).toBe(403);
});
