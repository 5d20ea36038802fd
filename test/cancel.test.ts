import { expect, test } from 'vitest';
import { createTestApp, SMALL, type TestApp } from './create-test-app.ts';

interface Cancelled {
  data: { status: string; cancellation: { outcome: string }; cost: { chargedUsd: number | null } };
}

async function cancel({ admin }: TestApp, jobId: string): Promise<Cancelled['data']> {
  const response = await admin.request('DELETE', `/api/v1/videos/${jobId}`);
  expect(response.statusCode, response.body).toBe(200);
  return (response.json() as Cancelled).data;
}

const countAttempts = async ({ db }: TestApp) =>
  (await db.selectFrom('attempts').select('id').execute()).length;

test('a client that names JSON and sends no body is understood where none is needed', async () => {
  const { admin } = await createTestApp();
  const { jobId } = await admin.create();
  const headers = { 'content-type': 'application/json' };
  const cancelled = await admin.inject({ method: 'DELETE', url: `/api/v1/videos/${jobId}`, headers });
  expect(cancelled.statusCode).toBe(200);
  const again = await admin.inject({ method: 'POST', url: `/api/v1/videos/${jobId}/retry`, headers });
  expect(again.json()).toMatchObject({ data: { retryOf: jobId, status: 'pending' } });
});

test('a pending job is cancelled without a call and without a charge', async () => {
  const app = await createTestApp();
  const { jobId } = await app.admin.create();
  expect(await cancel(app, jobId)).toMatchObject({
    status: 'cancelled',
    cancellation: { outcome: 'not_started' },
    cost: { chargedUsd: 0 },
  });
  await app.settle();
  expect(await countAttempts(app)).toBe(0);
  expect((await app.admin.get(jobId)).status).toBe('cancelled');
});

test('a job that is admitted but not sent yet is withdrawn: the call is never made', async () => {
  const app = await createTestApp();
  const { jobId } = await app.admin.create();
  await app.app.engine.step('admission');
  expect((await cancel(app, jobId)).cancellation.outcome).toBe('not_started');
  await app.settle();
  const attempts = await app.db.selectFrom('attempts').select(['state', 'sent_at']).execute();
  expect(attempts).toEqual([{ state: 'rejected', sent_at: null }]);
});

test('a running job is stopped upstream', async () => {
  const app = await createTestApp({ SIMULATOR_SPEED: '1' });
  const { jobId } = await app.admin.create();
  await app.settle();
  expect(await cancel(app, jobId)).toMatchObject({
    cancellation: { outcome: 'cancelled' },
    cost: { chargedUsd: 0 },
  });
});

test('an upstream that will not stop is asked again, and the answer says so meanwhile', async () => {
  const app = await createTestApp({ SIMULATOR_SPEED: '1' });
  const { jobId } = await app.admin.create({ ...SMALL, prompt: '[sim:no-cancel] x' });
  await app.settle();
  const { cancellation } = await cancel(app, jobId);
  expect(['cancelled_billed', 'unknown', 'too_late']).toContain(cancellation.outcome);
  expect((await app.admin.get(jobId)).status).toBe('cancelled');
});

test.each(['completed', 'cancelled', 'failed'])('a %s job cannot be cancelled: 409', async (status) => {
  const app = await createTestApp();
  const { jobId } = await app.admin.create({ ...SMALL, prompt: status === 'failed' ? '[sim:fail] x' : 'x' });
  if (status === 'cancelled') await cancel(app, jobId);
  else await app.finish(jobId);
  const response = await app.admin.request('DELETE', `/api/v1/videos/${jobId}`);
  expect(response.statusCode).toBe(409);
  expect(response.json()).toMatchObject({ error: { code: 'job_already_finished' } });
  expect((await app.admin.get(jobId)).status).toBe(status);
});

test('cancel against completion has exactly one winner', async () => {
  const app = await createTestApp({ MAX_RUNNING: '20' });
  const jobs = await Promise.all(
    Array.from({ length: 6 }, (_, index) => app.admin.create({ ...SMALL, prompt: `p${index}` })),
  );
  const cancelling = (async () => {
    const codes = [];
    for (const { jobId } of jobs) {
      codes.push((await app.admin.request('DELETE', `/api/v1/videos/${jobId}`)).statusCode);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return codes;
  })();
  await app.settle();
  const codes = await cancelling;
  for (const [index, { jobId }] of jobs.entries()) {
    const job = await app.finish(jobId);
    expect(job.status).toBe(codes[index] === 200 ? 'cancelled' : 'completed');
    const events = await app.db.selectFrom('events').select('type').where('job_id', '=', jobId).execute();
    expect(events.filter(({ type }) => ['job.cancelled', 'job.completed'].includes(type))).toHaveLength(1);
  }
});

test('a call that goes out at the very moment of the cancellation is not forgotten', async () => {
  const app = await createTestApp({ SIMULATOR_SPEED: '1' });
  const { jobId } = await app.admin.create();
  await app.app.engine.step('admission');
  // What submit commits right before the call, while the cancellation is on its way.
  await app.db
    .updateTable('attempts')
    .set({ state: 'sent', sent_at: new Date() })
    .where('job_id', '=', jobId)
    .execute();
  expect((await cancel(app, jobId)).cancellation.outcome).toBe('unknown');
  expect(await app.db.selectFrom('attempts').select('state').execute()).toEqual([{ state: 'sent' }]);
});
