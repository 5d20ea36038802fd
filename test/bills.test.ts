import { expect, test } from 'vitest';
import { checkLedger } from '../src/usage/ledger-check.repository.ts';
import { createTestApp, type TestApp, useTestApp } from './create-test-app.ts';
import { startSimulator } from './start-simulator.ts';

interface Drift {
  total: { providerUsd: number; ledgerUsd: number; differenceUsd: number };
  days: Record<string, unknown>[];
  operations: {
    counts: Record<string, number>;
    different: Record<string, unknown>[];
    unbilled: { count: number; jobs: { jobId: string }[] } | null;
  };
  correctedUsd: number;
  columns: Record<string, string>;
}

const app = useTestApp();

function upload({ admin }: TestApp, payload: string | Buffer, query = 'provider=openai') {
  return admin.inject({
    method: 'POST',
    url: `/api/v1/admin/bills?${query}`,
    headers: { 'content-type': 'text/csv' },
    payload,
  });
}

async function drift(studio: TestApp, csv: string, query?: string): Promise<Drift> {
  const answer = await upload(studio, csv, query);
  expect(answer.statusCode, answer.body).toBe(200);
  return (answer.json() as { data: Drift }).data;
}

test('a bill is compared by day, model and operation; only on request corrected, and once', async () => {
  const upstream = await startSimulator(['--speed', '50']);
  const studio = await createTestApp({ OPENAI_BASE_URL: upstream.url, SIMULATOR: 'off' });
  const { admin, db } = studio;
  const price = { provider: 'openai', model: 'simulator', pricePerSecondUsd: 0.1 };
  await admin.request('POST', '/api/v1/admin/prices', price);
  const body = { prompt: 'x', model: 'simulator', resolution: '854x480', duration: 3 };
  const jobs = [await admin.create(body), await admin.create(body), await admin.create(body)];
  for (const { jobId } of jobs) await studio.finish(jobId);
  const attempts = await db.selectFrom('attempts').selectAll().execute();
  const operationOf = (index: number) => {
    const attempt = attempts.find(({ job_id: job }) => job === jobs[index]?.jobId);
    return { key: attempt?.id ?? '', id: (attempt?.operation as { id: string } | undefined)?.id ?? '' };
  };
  const finished = await admin.get(jobs[0]?.jobId ?? '');
  const day = finished.completedAt?.slice(0, 10) ?? '';
  // The same; more, in two lines, one of which is named by the key that was sent; not ours; and one day before.
  const csv = [
    '\uFEFFDate,Model,Seconds,Amount (USD),Operation ID,Comment',
    `${day},simulator,3,0.30,${operationOf(0).id},"same, quoted"`,
    `${day}T00:00:00Z,simulator,3,$0.40,${operationOf(1).id},`,
    `${day},simulator,,0.05,${operationOf(1).id},`,
    `${day},other-model,4,1.00,op_unknown,`,
  ].join('\r\n');
  const entries = () => db.selectFrom('ledger').selectAll().orderBy('id').execute();
  const before = await entries();
  const dry = await drift(studio, csv);
  expect(await entries()).toEqual(before);
  expect(dry.columns).toMatchObject({ day: 'Date', amount: 'Amount (USD)', operation: 'Operation ID' });
  expect(dry.total).toEqual({ providerUsd: 1.75, ledgerUsd: 0.9, differenceUsd: 0.85 });
  expect(dry.days).toEqual([
    {
      day,
      model: 'other-model',
      side: 'provider',
      providerUsd: 1,
      ledgerUsd: 0,
      differenceUsd: 1,
      percent: null,
      providerSeconds: 4,
      ledgerSeconds: 0,
    },
    {
      day,
      model: 'simulator',
      side: 'both',
      providerUsd: 0.75,
      ledgerUsd: 0.9,
      differenceUsd: -0.15,
      percent: -16.67,
      providerSeconds: 6,
      ledgerSeconds: 9,
    },
  ]);
  expect(dry.operations.counts).toMatchObject({ same: 1, differs: 1, unknown: 1, corrected: 0 });
  expect(dry.operations.different).toMatchObject([
    { standing: 'differs', line: 3, jobId: jobs[1]?.jobId, billUsd: 0.45, ledgerUsd: 0.3 },
    { standing: 'unknown', operation: 'op_unknown', jobId: null, ledgerUsd: null },
  ]);
  expect(dry.operations.unbilled).toMatchObject({ count: 1, jobs: [{ jobId: jobs[2]?.jobId }] });

  const table = await upload(studio, csv, 'provider=openai&format=csv');
  expect(table.body.split('\r\n')[2]).toBe(`${day},simulator,both,0.75,0.9,-0.15,-16.67,6,9`);

  const corrected = await drift(studio, csv, 'provider=openai&correct=true');
  expect(corrected).toMatchObject({
    correctedUsd: 0.15,
    operations: { counts: { corrected: 1, differs: 0 } },
  });
  expect((await admin.get(jobs[1]?.jobId ?? '')).cost.chargedUsd).toBe(0.45);
  const again = await drift(studio, csv, 'provider=openai&correct=true');
  expect(again).toMatchObject({ correctedUsd: 0, operations: { counts: { same: 2, corrected: 0 } } });
  const corrections = (await entries()).filter(({ kind }) => kind === 'correction');
  expect(corrections).toMatchObject([{ amount_micros: 150_000, job_id: jobs[1]?.jobId }]);

  // By both of its names an attempt is asked for twice: nobody knows which of them holds.
  const twice = `date,amount,id\n${day},1,${operationOf(2).id}\n${day},2,${operationOf(2).key}`;
  const doubtful = await drift(studio, twice, 'provider=openai&correct=true');
  expect(doubtful).toMatchObject({ correctedUsd: 0, operations: { counts: { ambiguous: 2 } } });
  const less = `date,amount,id\n${day},0,${operationOf(2).key}`;
  expect(await drift(studio, less, 'provider=openai&correct=true')).toMatchObject({ correctedUsd: -0.3 });
  expect((await checkLedger(db)).problems).toEqual([]);
  const usage = (await admin.request('GET', '/api/v1/usage')).json() as { data: { total: object } };
  expect(usage.data.total).toMatchObject({ chargedUsd: 0.75, correctedUsd: -0.15 });
  const audit = await admin.request('GET', '/api/v1/admin/audit?action=charge.corrected');
  expect((audit.json() as { data: { entries: object[] } }).data.entries).toMatchObject([
    { details: { differenceMicros: -300_000 } },
    { details: { differenceMicros: 150_000 } },
  ]);
});

test('days are read as providers write them', async () => {
  const csv = [
    'timestamp;amount'.replace(';', ','),
    '2026-03-01T23:30:00Z,1',
    '2026-03-02 09:00:00,"1,000.25"',
    '1772409600,.5',
    '1772409600000,-0.25 USD',
  ].join('\n');
  const { days } = await drift(app(), csv, 'provider=simulator&timeZone=Europe/Berlin');
  expect(days).toMatchObject([{ day: '2026-03-02', model: null, side: 'provider', providerUsd: 1001.5 }]);
});

test.each([
  ['an empty file', '', 'header'],
  ['no amounts', 'date,model\n2026-01-01,x', 'lacks columns: amount'],
  ['no days', 'model,amount\nx,1', 'lacks columns: day'],
  ['a column twice', 'date,amount,Amount\n2026-01-01,1,2', 'twice'],
  ['a day that is none', 'date,amount\n2026-02-30,1', 'line 2: "2026-02-30"'],
  ['a year that no database knows', 'date,amount\n0000-01-01,1', 'line 2: "0000-01-01"'],
  ['seconds beyond all reason', 'date,amount,seconds\n2026-01-01,1,1e308', '"1e308" is no quantity'],
  ['days in an order that nobody knows', 'date,amount\n03/04/2026,1', 'line 2'],
  ['an amount that is none', 'date,amount\n2026-01-01,free', 'no amount'],
  ['a comma for a point', 'date,amount\n2026-01-01,"0,40"', 'no amount'],
  ['too few cells', 'date,amount\n2026-01-01', 'cells'],
  ['a quote that is never closed', 'date,amount\n"2026-01-01,1', 'broken'],
  ['what is no text', Buffer.from([0x64, 0xff, 0xfe]), 'UTF-8'],
])('a bill with %s is refused as a whole', async (_what, csv, said) => {
  const answer = await upload(app(), csv);
  expect(answer.statusCode).toBe(400);
  expect(answer.json()).toMatchObject({ error: { code: 'invalid_bill' } });
  expect((answer.json() as { error: { message: string } }).error.message).toContain(said);
});

test('other bodies and other people are refused', async () => {
  const { admin, user } = app();
  const url = '/api/v1/admin/bills?provider=openai';
  expect((await admin.request('POST', url, { date: '2026-01-01' })).statusCode).toBe(415);
  expect((await upload(app(), 'date,amount\n', 'timeZone=UTC')).statusCode).toBe(400);
  expect((await upload(app(), 'date,amount\n', 'provider=x&timeZone=nowhere')).statusCode).toBe(400);
  expect((await drift(app(), 'date,amount\n')).days).toEqual([]);
  const stranger = await user();
  const headers = { 'content-type': 'text/csv' };
  const answer = await stranger.inject({ method: 'POST', url, headers, payload: 'date,amount\n' });
  expect(answer.statusCode).toBe(403);
});
