import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { checkLedger } from '../src/usage/ledger-check.repository.ts';
import { foldUsage } from '../src/usage/rollup.repository.ts';
import { useTestApp } from './create-test-app.ts';
import { SMALL } from './create-test-app.ts';

const app = useTestApp();

test('first', async () => {
  const { admin, finish, db } = app();
  const { jobId } = await admin.create(SMALL);
  await finish(jobId);
  const answer = await admin.request('GET', '/api/v1/usage');
  console.log(answer.body);
  for (const by of [
    'day',
    'month',
    'model',
    'user',
    'key',
    'team',
    'batch',
    'provider',
    'day,batch',
    'batch,month',
  ])
    for (const zone of ['UTC', 'Europe/Berlin', 'Asia/Kathmandu']) {
      for (const fold of [false, true]) {
        if (fold) await foldUsage(db);
        const a = await admin.request('GET', `/api/v1/admin/usage?groupBy=${by}&timeZone=${zone}`);
        expect(a.statusCode, a.body).toBe(200);
      }
    }
  console.log((await admin.request('GET', '/api/v1/usage?format=csv')).body);
  expect((await checkLedger(db)).problems).toEqual([]);
  await sql`update usage_days set completed = 0, charged_micros = 1`.execute(db);
  console.log((await checkLedger(db)).problems);
});
