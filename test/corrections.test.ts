import { expect, test } from 'vitest';
import { insertTeam } from '../src/accounts/teams.repository.ts';
import { failJob } from '../src/jobs/failure.ts';
import { createWriter } from '../src/jobs/write.ts';
import { checkLedger } from '../src/usage/ledger-check.repository.ts';
import { chargeOrphan } from '../src/usage/orphans.repository.ts';
import { createTestApp, type TestApp } from './create-test-app.ts';
import { startSimulator } from './start-simulator.ts';

const DAY_MS = 24 * 3600 * 1000;
const BODY = { prompt: 'x', model: 'simulator', resolution: '854x480', duration: 3 };
const PRICE_MICROS = 300_000;

async function stage(): Promise<TestApp> {
  const upstream = await startSimulator(['--speed', '50']);
  const app = await createTestApp({
    OPENAI_BASE_URL: upstream.url,
    OPENAI_MODELS: 'simulator',
    SIMULATOR: 'off',
  });
  const price = { provider: 'openai', model: 'simulator', pricePerSecondUsd: 0.1 };
  expect((await app.admin.request('POST', '/api/v1/admin/prices', price)).statusCode).toBe(201);
  return app;
}

interface Compared {
  correctedUsd: number;
  total: { ledgerUsd: number };
  operations: { counts: Record<string, number>; different: Record<string, unknown>[] };
}

/** Corrects by a bill with one line for each operation. */
async function correct({ admin, clock }: TestApp, lines: Record<string, number>): Promise<Compared> {
  const day = new Date(clock.now()).toISOString().slice(0, 10);
  const rows = Object.entries(lines).map(([operation, usd]) => `${day},${usd},${operation}`);
  const answer = await admin.inject({
    method: 'POST',
    url: '/api/v1/admin/bills?provider=openai&correct=true',
    headers: { 'content-type': 'text/csv' },
    payload: ['date,amount,id', ...rows].join('\n'),
  });
  expect(answer.statusCode, answer.body).toBe(200);
  return (answer.json() as { data: Compared }).data;
}

async function operationOf({ db }: TestApp, jobId: string): Promise<string> {
  const query = db.selectFrom('attempts').select('operation').where('job_id', '=', jobId);
  return ((await query.executeTakeFirstOrThrow()).operation as { id: string }).id;
}

async function meters({ db }: TestApp) {
  const rows = await db.selectFrom('meters').selectAll().orderBy('scope').execute();
  return rows.map(({ scope, usd_day: day, usd_total: total, former_usd_day: former, videos_day: videos }) => {
    return { scope, day, total, former, videos };
  });
}

async function expectBalance({ db }: TestApp): Promise<void> {
  expect((await checkLedger(db)).problems).toEqual([]);
}

test('a correction reaches the meters of key, team and person, of a key that was rotated too; twice it corrects once', async () => {
  const app = await stage();
  const { db, admin } = app;
  const teamId = await db
    .transaction()
    .execute((tx) => insertTeam(tx, { name: 'T', userId: 'usr_admin' }, new Date(app.clock.now())));
  const made = await admin.request('POST', '/api/v1/keys', {
    name: 'k',
    scopes: ['videos:read', 'videos:write'],
  });
  const { id, key } = (made.json() as { data: { id: string; key: string } }).data;
  await db.updateTable('api_keys').set({ owner_id: teamId }).where('id', '=', id).execute();
  const create = async (secret: string) => {
    const request = {
      method: 'POST',
      url: '/api/v1/videos',
      payload: BODY,
      headers: { 'x-api-key': secret },
    } as const;
    const answer = await app.app.server.inject(request);
    expect(answer.statusCode, answer.body).toBe(201);
    return (answer.json() as { data: { jobId: string } }).data.jobId;
  };
  const first = await create(key);
  const rotated = await admin.request('POST', `/api/v1/keys/${id}/rotate`, { overlapSeconds: 60 });
  const next = (rotated.json() as { data: { key: string } }).data.key;
  const second = await create(next);
  for (const jobId of [first, second]) await app.finish(jobId);
  const bill = { [await operationOf(app, first)]: 5.9, [await operationOf(app, second)]: 0.1 };
  expect(await correct(app, bill)).toMatchObject({ correctedUsd: 5.4 });
  const all = { day: 6_000_000, total: 6_000_000, videos: 2 };
  expect(await meters(app)).toMatchObject([
    { scope: 'key', ...all },
    { scope: 'team', ...all },
    { scope: 'user', ...all },
  ]);
  await expectBalance(app);
  expect(await correct(app, bill)).toMatchObject({ correctedUsd: 0 });
  await expectBalance(app);
});

test('a correction counts in the day of the job: a new day has nothing of it', async () => {
  const app = await stage();
  const { jobId } = await app.admin.create(BODY);
  await app.finish(jobId);
  const operation = await operationOf(app, jobId);
  await app.clock.advance(DAY_MS);
  await app.admin.create(BODY);
  await correct(app, { [operation]: 5.9 });
  const counted = { day: PRICE_MICROS, former: 5_900_000, total: 5_900_000 + PRICE_MICROS };
  expect(await meters(app)).toMatchObject([counted, counted]);
  await expectBalance(app);
});

test('a failed video that turns out to have cost something has been used, and one that cost nothing has not', async () => {
  const app = await stage();
  const { jobId } = await app.admin.create({ ...BODY, prompt: '[sim:fail]' });
  await app.finish(jobId);
  const operation = await operationOf(app, jobId);
  for (const [usd, videos] of [
    [0.2, 1],
    [0, 0],
  ] as const) {
    await correct(app, { [operation]: usd });
    expect(await meters(app)).toMatchObject([
      { videos, day: usd * 1e6 },
      { videos, day: usd * 1e6 },
    ]);
    await expectBalance(app);
  }
});

test('a bill that names a deleted video changes nothing', async () => {
  const app = await stage();
  const { jobId } = await app.admin.create(BODY);
  await app.finish(jobId);
  const operation = await operationOf(app, jobId);
  await app.admin.request('DELETE', `/v1/videos/${jobId}`);
  expect(await correct(app, { [operation]: 5.9 })).toMatchObject({
    correctedUsd: 0,
    operations: { counts: { unknown: 1 } },
  });
  expect(await meters(app)).toMatchObject([{ total: PRICE_MICROS }, { total: PRICE_MICROS }]);
  await expectBalance(app);
});

test('an orphan is owed to the connection and is no owner’s cost, in no meter, report, job or correction', async () => {
  const app = await stage();
  const { jobId } = await app.admin.create(BODY);
  await app.finish(jobId);
  const job = await app.db.selectFrom('jobs').selectAll().where('id', '=', jobId).executeTakeFirstOrThrow();
  const now = new Date(app.clock.now());
  const orphan = { id: 'attempt_orphan', number: 7, connection: 'openai', plan: '{}' };
  await app.db
    .insertInto('attempts')
    .values({
      ...orphan,
      job_id: jobId,
      state: 'orphaned',
      operation: '{"id":"op_orphan"}',
      created_at: now,
      sent_at: now,
    } as never)
    .execute();
  const before = await meters(app);
  await app.db.transaction().execute(async (tx) => {
    const what = { job, attemptId: orphan.id, micros: 700_000, note: 'too_late' };
    await chargeOrphan(tx, what, now);
    await chargeOrphan(tx, what, now);
  });
  expect(await meters(app)).toEqual(before);
  const usage = (await app.admin.request('GET', '/api/v1/usage')).json() as { data: { total: object } };
  expect(usage.data.total).toMatchObject({ chargedUsd: 0.3, correctedUsd: 0 });
  const check = await checkLedger(app.db);
  expect(check).toMatchObject({ problems: [], orphaned: [{ account: 'orphaned/openai', micros: 700_000 }] });

  const compared = await correct(app, { [await operationOf(app, jobId)]: 0.3, op_orphan: 0.9 });
  expect(compared).toMatchObject({
    correctedUsd: 0,
    total: { ledgerUsd: 1 },
    operations: {
      counts: { same: 1, orphan: 1 },
      different: [{ operation: 'op_orphan', standing: 'orphan', ledgerUsd: 0.7 }],
    },
  });
  expect(await correct(app, { op_orphan: 0.7 })).toMatchObject({ operations: { counts: { same: 1 } } });
  await expectBalance(app);
});

test.each([
  { charged: true, known: null, cost: PRICE_MICROS },
  { charged: true, known: 120_000, cost: 120_000 },
  { charged: false, known: null, cost: 0 },
  { charged: false, known: 120_000, cost: 120_000 },
  { charged: null, known: null, cost: null },
  { charged: null, known: 120_000, cost: 120_000 },
])(
  'a failure (charged: $charged) of a job whose reported cost is $known costs $cost',
  async ({ charged, known, cost }) => {
    const app = await stage();
    const { jobId } = await app.admin.create(BODY);
    await app.db.updateTable('jobs').set({ charged_micros: known }).where('id', '=', jobId).execute();
    const write = createWriter({ db: app.db, queue: {} as never, clock: app.clock, onCommit: () => {} });
    const failure = { code: 'upstream_failed', message: 'It failed.', retryable: true, charged };
    expect(await write((tx) => failJob(tx, jobId, failure))).toMatchObject({ charged_micros: cost });
    expect(await meters(app)).toMatchObject([{ total: cost ?? 0 }, { total: cost ?? 0 }]);
    await expectBalance(app);
  },
);
