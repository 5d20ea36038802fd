import { createServer } from 'node:http';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { createTestApp, type TestApp } from './create-test-app.ts';
import { startSimulator } from './start-simulator.ts';

const MINUTE_MS = 60_000;

async function attemptsOf({ db }: TestApp, jobId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('attempts')
    .select('state')
    .where('job_id', '=', jobId)
    .orderBy('number')
    .execute();
  return rows.map((row) => row.state);
}

test.each(['default', 'openai', 'vllm-omni', 'sglang'])(
  'a lost answer is found again, with two of the same request each finding its own (%s)',
  async (dialect) => {
    const simulator = await startSimulator(['--speed', '0', '--dialect', dialect]);
    const app = await createTestApp({
      OPENAI_BASE_URL: simulator.url,
      OPENAI_MODELS: 'simulator',
      OPENAI_TIMEOUT: '2000',
    });
    const body = { prompt: '[sim:lost-answer] twice the same', resolution: '854x480', duration: 1 };
    const jobs = [await app.admin.create(body), await app.admin.create(body)];
    for (const { jobId } of jobs) {
      expect((await app.finish(jobId)).status).toBe('completed');
      expect(await attemptsOf(app, jobId)).toEqual(['accepted']);
    }
    expect(await simulator.ledger()).toMatchObject({ created: 2, duplicates: 0 });
  },
);

/** An upstream that drops every create without an answer and knows no list: nothing can ever be found out. */
async function startBlackHole(): Promise<{ url: string; calls: () => number }> {
  let calls = 0;
  const server = createServer((request, response) => {
    if (request.method !== 'POST') return void response.writeHead(404).end();
    calls += 1;
    request.socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`, calls: () => calls };
}

async function inDoubt(env: Record<string, string> = {}) {
  const hole = await startBlackHole();
  const app = await createTestApp({ OPENAI_BASE_URL: hole.url, OPENAI_MODELS: 'wan', ...env });
  const { jobId } = await app.admin.create({ prompt: 'x', model: 'wan' });
  await app.settle();
  expect((await app.admin.get(jobId)).stage).toBe('unconfirmed');
  for (let minutes = 0; minutes < 20; minutes += 1) {
    await app.clock.advance(MINUTE_MS);
    await app.settle();
  }
  return { hole, app, jobId };
}

test('what cannot be found out is never sent again on a guess: an operator is asked', async () => {
  const { hole, app, jobId } = await inDoubt();
  expect(await app.admin.get(jobId)).toMatchObject({ status: 'processing', stage: 'needs_attention' });
  expect(hole.calls()).toBe(1);
  const list = (await app.admin.request('GET', '/api/v1/admin/jobs/doubtful')).json() as { data: object[] };
  expect(list.data).toMatchObject([{ jobId, provider: 'openai', stage: 'needs_attention' }]);
  expect(JSON.stringify(list.data)).not.toContain('prompt');
  const events = await app.db.selectFrom('events').select('type').where('job_id', '=', jobId).execute();
  expect(events.map(({ type }) => type)).toContain('job.needs_attention');
});

test.each([
  [{ decision: 'not_accepted' }, { status: 'pending', stage: 'queued' }],
  [{ decision: 'fail' }, { status: 'failed', error: { code: 'submission_unconfirmed' } }],
  [
    { decision: 'accepted', operation: { id: 'video_1' } },
    { status: 'processing', stage: 'rendering' },
  ],
])('an operator decides: %j', async (decision, outcome) => {
  const { app, jobId } = await inDoubt();
  const url = `/api/v1/admin/jobs/${jobId}/decision`;
  const stranger = await app.user();
  expect((await stranger.request('POST', url, decision)).statusCode).toBe(403);
  expect((await app.admin.request('POST', url, { decision: 'maybe' })).statusCode).toBe(400);
  const decided = await app.admin.request('POST', url, decision);
  expect(decided.json()).toMatchObject({ data: outcome });
  expect((await app.admin.request('POST', url, decision)).statusCode).toBe(409);
});

test.each([
  ['fail', 1, 'failed'],
  ['resend', 2, 'processing'],
])('the policy %s takes its risk without asking', async (policy, calls, status) => {
  const { app, hole, jobId } = await inDoubt({ WHEN_UNCONFIRMED: policy });
  expect((await app.admin.get(jobId)).status).toBe(status);
  expect(hole.calls()).toBe(calls);
});
