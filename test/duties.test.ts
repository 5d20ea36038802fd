import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { checkLedger } from '../src/usage/ledger-check.repository.ts';
import { appWithUpstream, BODY, eventsOf, operationsOf, workFor } from './attribution-kit.ts';
import { secondApp } from './second-app.ts';
import { answer, type UpstreamPromises } from './upstream-server.ts';

const PROMISES = { list: 'complete', idempotency_key: true, delete_stops: true };
const HOUR = 3_600_000;

/** A first call that is answered 503, and a repetition that is on its way until it is released. */
async function repeating(promises: UpstreamPromises = PROMISES) {
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const { app, upstream } = await appWithUpstream({
    promises,
    async onCreate(call, response, take) {
      if (call > 1) {
        await held;
        answer(response, 200, { id: take().id, object: 'video', status: 'queued' });
      } else answer(response, 503, { error: { message: 'busy' } });
      return true;
    },
  });
  const { jobId } = await app.admin.create(BODY);
  await app.app.engine.step('admission');
  const working = app.app.engine.step('tasks');
  await expect.poll(upstream.creates, { timeout: 10_000 }).toBe(2);
  return {
    app,
    upstream,
    jobId,
    async goOn() {
      release();
      await working;
      await workFor(app, 5 * 60_000);
    },
  };
}

const outcomesOf = (app: Awaited<ReturnType<typeof repeating>>['app']) =>
  app.db.selectFrom('calls').select(['number', 'outcome']).orderBy('number').execute();

test('every call is a row before it goes out, repetitions too', async () => {
  const { app, goOn } = await repeating();
  expect(await outcomesOf(app)).toEqual([
    { number: 1, outcome: 'lost' },
    { number: 2, outcome: null },
  ]);
  await goOn();
  expect(await outcomesOf(app)).toEqual([
    { number: 1, outcome: 'lost' },
    { number: 2, outcome: 'accepted' },
  ]);
});

test('nothing is concluded while a call may be alive: an operator is told to wait', async () => {
  const { app, upstream, jobId, goOn } = await repeating();
  const url = `/api/v1/admin/jobs/${jobId}/decision`;
  for (const decision of [
    { decision: 'not_accepted' },
    { decision: 'accepted', operation: { id: 'up_9' } },
  ]) {
    const refused = await app.admin.request('POST', url, decision);
    expect(refused.json()).toMatchObject({ error: { code: 'call_under_way' } });
  }
  await goOn();
  expect(upstream.made).toHaveLength(1);
  expect((await app.admin.get(jobId)).stage).toBe('rendering');
});

test.each(['cancel', 'fail', 'give up'])(
  'what is taken after the job has ended is stopped: %s',
  async (how) => {
    const { app, upstream, jobId, goOn } = await repeating();
    if (how === 'cancel') await app.admin.request('DELETE', `/api/v1/videos/${jobId}`);
    else if (how === 'fail') {
      await app.admin.request('POST', `/api/v1/admin/jobs/${jobId}/decision`, { decision: 'fail' });
    } else {
      const long = new Date(app.clock.now() - 25 * HOUR);
      await app.db.updateTable('jobs').set({ started_at: long }).execute();
      await app.app.engine.step('rescue');
    }
    expect((await app.admin.get(jobId)).status).toBe(how === 'cancel' ? 'cancelled' : 'failed');
    await goOn();
    expect(upstream.made.map(({ stops }) => stops)).toEqual([1]);
    expect(await eventsOf(app, jobId)).toContain('job.stopped');
    expect((await checkLedger(app.db)).problems).toEqual([]);
  },
);

test('what a paused process brought after all is stopped, and stands in the books of the connection', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const { app, upstream } = await appWithUpstream(
    {
      async onCreate(call, response, take) {
        if (call > 1) return false;
        const { id } = take();
        await held;
        answer(response, 200, { id, object: 'video', status: 'queued' });
        return true;
      },
      // Nothing in the list looks like it.
      show: (_video, told) => ({ ...told, prompt: 'else' }),
    },
    { WHEN_UNCONFIRMED: 'resend' },
  );
  const price = { provider: 'openai', model: 'simulator', pricePerSecondUsd: 0.1 };
  expect((await app.admin.request('POST', '/api/v1/admin/prices', price)).statusCode).toBe(201);
  const { jobId } = await app.admin.create(BODY);
  // A process whose time stands still as soon as it has sent: it waits for its answer all the same.
  const clock = { ...app.clock, after: () => () => {} };
  const env = { OPENAI_BASE_URL: upstream.url, OPENAI_MODELS: 'simulator', SIMULATOR: 'off' };
  const paused = await secondApp({ databaseUrl: app.databaseUrl, clock }, env);
  try {
    await paused.engine.step('admission');
    const sending = paused.engine.step('tasks');
    await expect.poll(upstream.creates, { timeout: 10_000 }).toBe(1);
    // Its task is taken over, as after a silence of seconds.
    await sql`update pgboss.job set state = 'retry', start_after = pgboss.job_now() where state = 'active'`.execute(
      app.db,
    );
    await workFor(app, 20 * 60_000);
    expect(await operationsOf(app, jobId)).toEqual(['up_2']);
    release();
    await sending.catch(() => {});
    await workFor(app, 5 * 60_000);
  } finally {
    await paused.stop();
  }
  const states = await app.db
    .selectFrom('attempts')
    .select(['state', 'stop_outcome'])
    .orderBy('number')
    .execute();
  expect(states).toEqual([
    { state: 'orphaned', stop_outcome: 'cancelled_billed' },
    { state: 'accepted', stop_outcome: null },
  ]);
  const entries = await app.db.selectFrom('ledger').select(['kind', 'debit', 'amount_micros']).execute();
  expect(entries).toContainEqual({ kind: 'orphan', debit: 'orphaned/openai', amount_micros: 300_000 });
  expect(await eventsOf(app, jobId)).toEqual(expect.arrayContaining(['job.orphaned', 'job.stopped']));
  expect((await app.admin.get(jobId)).stage).toBe('rendering');
});

test('what was surely not sent goes back without doubt: a process that was held up before the call', async () => {
  const { app, upstream } = await appWithUpstream({ promises: PROMISES });
  const { jobId } = await app.admin.create(BODY);
  await app.app.engine.step('admission');
  // Every look at the clock after the call was written down comes too late, as in a process that was paused.
  const { now } = app.clock;
  let looks = 0;
  app.clock.now = () => now() + (upstream.creates() === 0 && (looks += 1) > 3 ? 10_000 : 0);
  await app.app.engine.step('tasks').catch(() => {});
  app.clock.now = now;
  expect(await eventsOf(app, jobId)).not.toContain('job.unconfirmed');
  await workFor(app, 5 * 60_000);
  expect(upstream.creates()).toBe(1);
  expect((await app.admin.get(jobId)).stage).toBe('rendering');
});

test('a cancellation that is never answered is written off: nothing is held or charged for it', async () => {
  const { app, upstream } = await appWithUpstream({ promises: { list: 'complete', delete_stops: true } });
  const price = { provider: 'openai', model: 'simulator', pricePerSecondUsd: 0.1 };
  await app.admin.request('POST', '/api/v1/admin/prices', price);
  const { jobId } = await app.admin.create(BODY);
  await app.settle();
  upstream.options.isDown = true;
  expect((await app.admin.request('DELETE', `/api/v1/videos/${jobId}`)).statusCode).toBe(200);
  await workFor(app, 26 * HOUR);
  const job = await app.admin.get(jobId);
  expect(job).toMatchObject({ cancellation: { outcome: 'written_off' }, cost: { chargedUsd: 0 } });
  const ledger = await app.db.selectFrom('ledger').select(['kind', 'note']).orderBy('id').execute();
  expect(ledger).toEqual([
    { kind: 'hold', note: null },
    { kind: 'release', note: null },
    { kind: 'orphan', note: 'written_off' },
  ]);
  expect((await checkLedger(app.db)).problems).toEqual([]);
});

test.each([
  ['not_accepted', 'not_started'],
  ['fail', 'written_off'],
])('an operator ends a cancellation that is not answered: %s', async (decision, outcome) => {
  const { app, upstream } = await appWithUpstream({ promises: { delete_stops: true } });
  const { jobId } = await app.admin.create(BODY);
  await app.settle();
  upstream.options.isDown = true;
  await app.admin.request('DELETE', `/api/v1/videos/${jobId}`);
  await app.clock.advance(HOUR);
  const list = (await app.admin.request('GET', '/api/v1/admin/jobs/doubtful')).json() as { data: object[] };
  expect(list.data).toMatchObject([{ jobId, stage: 'finished' }]);
  const decided = await app.admin.request('POST', `/api/v1/admin/jobs/${jobId}/decision`, { decision });
  expect(decided.json()).toMatchObject({ data: { status: 'cancelled', cancellation: { outcome } } });
});
