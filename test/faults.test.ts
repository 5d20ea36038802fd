import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createTestApp, SMALL, type TestApp } from './create-test-app.ts';

async function attemptsOf({ db }: TestApp, jobId: string) {
  const rows = await db
    .selectFrom('attempts')
    .selectAll()
    .where('job_id', '=', jobId)
    .orderBy('number')
    .execute();
  return rows.map((row) => row.state);
}

async function eventsOf({ db }: TestApp, jobId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('events')
    .select('type')
    .where('job_id', '=', jobId)
    .orderBy('id')
    .execute();
  return rows.map((row) => row.type.replace('job.', ''));
}

test.each<[fault: string, attempts: string[], how: string]>([
  ['429', ['rejected', 'rejected', 'accepted'], 'throttled twice, it waits its turn and is taken'],
  ['500', ['accepted'], 'a 500 is not taken for a refusal: the same key is sent again'],
  ['500-accepted', ['accepted'], 'accepted behind a 500: the same key finds it'],
  ['lost-answer', ['accepted'], 'the answer is lost: the same key finds it'],
  ['unknown-status', ['accepted'], 'a word nobody knows counts as running'],
  ['poll-500', ['accepted'], 'an upstream that cannot be asked fails no job'],
  ['slow', ['accepted'], 'slow is not wrong'],
  ['late', ['accepted'], 'late success is kept'],
  ['cut', ['accepted'], 'a download that breaks off is resumed'],
])('[sim:%s] still ends in a video', async (fault, attempts) => {
  const app = await createTestApp({ SIMULATOR_SPEED: '1' });
  const { jobId } = await app.admin.create({ ...SMALL, prompt: `[sim:${fault}] ${fault}` });
  const job = await app.finish(jobId);
  expect(job.error).toBeNull();
  expect(job.status).toBe('completed');
  expect(await attemptsOf(app, jobId)).toEqual(attempts);
});

test.each<[fault: string, code: string, charged: boolean | null]>([
  ['refused', 'simulated_refusal', false],
  ['fail', 'simulated_failure', false],
  ['moderation', 'moderation_blocked', false],
  ['forgotten', 'upstream_lost_job', null],
  ['no-file', 'upstream_file_missing', false],
  ['corrupt', 'upstream_file_invalid', false],
])(
  '[sim:%s] fails the job with %s, says whether it is charged, and asks for no second video',
  async (fault, code, charged) => {
    const app = await createTestApp({ SIMULATOR_SPEED: '1' });
    const { jobId } = await app.admin.create({ ...SMALL, prompt: `[sim:${fault}] ${fault}` });
    const job = await app.finish(jobId);
    expect(job).toMatchObject({ status: 'failed', error: { code, charged } });
    expect(job.error?.message).toMatch(/\w/);
    expect(await attemptsOf(app, jobId)).toHaveLength(1);
  },
);

test('a stuck job is overdue first and given up in the end', async () => {
  const app = await createTestApp({ SIMULATOR_SPEED: '1', JOB_DEADLINE: '60000', JOB_GIVE_UP: '600000' });
  const { jobId } = await app.admin.create({ ...SMALL, prompt: '[sim:stuck] x' });
  const job = await app.finish(jobId);
  expect(job).toMatchObject({
    status: 'failed',
    error: { code: 'deadline_exceeded', retryable: true, charged: null },
  });
  const lived = Date.parse(job.completedAt ?? '') - Date.parse(job.startedAt ?? '');
  expect(lived).toBeGreaterThanOrEqual(600_000);
});

test('truncated downloads are tried for as long as anybody waits, then the job fails and says so', async () => {
  const app = await createTestApp({ SIMULATOR_SPEED: '0', JOB_DEADLINE: '60000', JOB_GIVE_UP: '300000' });
  const { jobId } = await app.admin.create({ ...SMALL, prompt: '[sim:truncated] x' });
  expect(await app.finish(jobId)).toMatchObject({ status: 'failed', error: { code: 'download_failed' } });
});

test('a worker that died in the middle of the paid call leaves no second one behind', async () => {
  const app = await createTestApp({ SIMULATOR_SPEED: '1' });
  const { jobId } = await app.admin.create();
  await app.settle();
  // As it is after a kill between "sent" and the answer: the call is out, nothing is known of it.
  await app.db
    .updateTable('attempts')
    .set({ state: 'sent', operation: null, settled_at: null })
    .where('job_id', '=', jobId)
    .execute();
  await app.db
    .updateTable('jobs')
    .set({ stage: 'submitting', due_at: new Date(0) })
    .where('id', '=', jobId)
    .execute();
  const job = await app.finish(jobId);
  expect(job.status).toBe('completed');
  expect(await attemptsOf(app, jobId)).toEqual(['accepted']);
  expect(await eventsOf(app, jobId)).toEqual([
    'created',
    'started',
    'accepted',
    'unconfirmed',
    'accepted',
    'rendered',
    'completed',
  ]);
});

test.each([
  ['submitting', ['admission']],
  ['archiving', ['admission', 'tasks', 'polling']],
] as const)('a lost task is replaced: a job that stands at %s goes on', async (stage, steps) => {
  const app = await createTestApp({ SIMULATOR_SPEED: '0' });
  const { jobId } = await app.admin.create();
  for (const step of steps) await app.app.engine.step(step);
  expect((await app.admin.get(jobId)).stage).toBe(stage);
  await sql`delete from pgboss.job`.execute(app.db);
  await app.clock.advance(6 * 60_000);
  expect((await app.finish(jobId)).status).toBe('completed');
});

test('restarts and broken connections say nothing about the file: only verdicts on it fail the job', async () => {
  const app = await createTestApp({ SIMULATOR_SPEED: '0' });
  const { jobId } = await app.admin.create({ ...SMALL, prompt: '[sim:corrupt] x' });
  for (const step of ['admission', 'tasks', 'polling'] as const) await app.app.engine.step(step);
  // As after a dozen deaths of its worker.
  await sql`update pgboss.job set retry_count = 12, started_on = now() where state < 'active'`.execute(
    app.db,
  );
  expect((await app.finish(jobId)).error?.code).toBe('upstream_file_invalid');
  expect((await eventsOf(app, jobId)).filter((type) => type === 'file_refused')).toHaveLength(3);
});
