import { sql } from 'kysely';
import { expect, test } from 'vitest';
import {
  batchEvents,
  createBatch,
  type CreatedBatch,
  dataOf,
  getBatch,
  post,
  refusalOf,
} from './batch-requests.ts';
import { createTestApp, SMALL, type TestApp } from './create-test-app.ts';

interface Cancelled {
  cancelled: number;
  alreadyFinished: number;
  outcomes: Record<string, number>;
  batch: { status: string; progress: Record<string, number> };
}

const NOTHING = { not_started: 0, cancelled: 0, cancelled_billed: 0, too_late: 0, unknown: 0 };

const cancel = ({ admin }: TestApp, id: string) => admin.request('DELETE', `/api/v1/batches/${id}`);
const retry = ({ admin }: TestApp, id: string, headers: Record<string, string> = {}) =>
  admin.inject({ method: 'POST', url: `/api/v1/batches/${id}/retry`, headers });

async function finishAll(app: TestApp, { jobIds }: CreatedBatch): Promise<void> {
  for (const id of jobIds) await app.finish(id);
}

test('one bad item never sinks the rest, and never more run at once than the connection may have', async () => {
  const app = await createTestApp({ MAX_RUNNING: '2', SIMULATOR_SPEED: '100' });
  const videos = [SMALL, { ...SMALL, prompt: '[sim:fail] x' }, SMALL, SMALL];
  const { batchId } = await createBatch(app.admin, { videos });
  expect((await getBatch(app.admin, batchId)).status).toBe('pending');
  const seen = new Set<string>();
  let last = 0;
  for (let round = 0; round < 300; round += 1) {
    await app.app.engine.runOnce();
    const { status, progress, completedAt } = await getBatch(app.admin, batchId, '?jobs=none');
    seen.add(status);
    expect(progress.processing).toBeLessThanOrEqual(2);
    expect(progress.percentage).toBeGreaterThanOrEqual(last);
    last = progress.percentage;
    expect(completedAt === null).toBe(status === 'pending' || status === 'processing');
    if (completedAt !== null) break;
    await app.clock.advance(100);
  }
  const { status, progress, jobs } = await getBatch(app.admin, batchId);
  expect([...seen].slice(-2)).toEqual(['processing', 'partial']);
  expect(status).toBe('partial');
  expect(progress).toEqual({
    total: 4,
    pending: 0,
    processing: 0,
    completed: 3,
    failed: 1,
    cancelled: 0,
    percentage: 100,
  });
  expect(jobs?.map((job) => job.status)).toEqual(['completed', 'failed', 'completed', 'completed']);
  expect(await batchEvents(app, batchId)).toEqual(['batch.created', 'batch.partial']);
});

test('cancelling takes what waits at once, asks the provider to stop the rest, and sums up', async () => {
  const app = await createTestApp({ MAX_RUNNING: '2', SIMULATOR_SPEED: '1' });
  const videos = [
    { ...SMALL, priority: 'high', prompt: '[sim:refused] x' },
    { ...SMALL, priority: 'high' },
    ...Array.from({ length: 6 }, () => SMALL),
  ];
  const { batchId, jobIds } = await createBatch(app.admin, { videos });
  await app.settle();
  await app.settle();
  const response = await cancel(app, batchId);
  expect(response.statusCode, response.body).toBe(200);
  const { batch, ...summary } = dataOf<Cancelled>(response);
  expect(summary).toEqual({
    batchId,
    cancelled: 7,
    alreadyFinished: 1,
    outcomes: { ...NOTHING, not_started: 5, cancelled: 2 },
  });
  expect(batch).toMatchObject({ status: 'failed', progress: { failed: 1, cancelled: 7, percentage: 100 } });
  expect(await batchEvents(app, batchId)).toEqual(['batch.created', 'batch.failed']);
  for (const id of jobIds.slice(1)) {
    const job = await app.admin.get(id);
    expect([job.status, job.cost.chargedUsd]).toEqual(['cancelled', 0]);
  }
  const again = await cancel(app, batchId);
  expect([again.statusCode, refusalOf(again).code]).toEqual([409, 'batch_already_finished']);
  await app.settle();
  expect(await app.db.selectFrom('attempts').select('id').execute()).toHaveLength(3);
});

test('a thousand that wait are cancelled in one go, each with its event, without a call', async () => {
  const app = await createTestApp({ BATCH_MAX_VIDEOS: '1000' });
  const videos = Array.from({ length: 1000 }, () => SMALL);
  const { batchId, jobIds } = await createBatch(app.admin, { videos });
  // Remembered, so that the cancellation has to tell this process of the change.
  expect((await app.admin.get(jobIds[500] ?? '')).status).toBe('pending');
  const { outcomes, batch } = dataOf<Cancelled>(await cancel(app, batchId));
  expect(outcomes).toEqual({ ...NOTHING, not_started: 1000 });
  expect(batch.status).toBe('cancelled');
  const writers = await sql`select distinct xmin::text from jobs`.execute(app.db);
  expect(writers.rows).toHaveLength(1);
  expect((await app.admin.get(jobIds[500] ?? '')).status).toBe('cancelled');
  const events = await app.db.selectFrom('events').select('type').where('job_id', 'is not', null).execute();
  expect(events.filter(({ type }) => type === 'job.cancelled')).toHaveLength(1000);
  expect(await batchEvents(app, batchId)).toEqual(['batch.created', 'batch.cancelled']);
  await app.settle();
  expect(await app.db.selectFrom('attempts').select('id').execute()).toEqual([]);
});

test('cancelling while the engine admits: every job ends once, and so does the batch', async () => {
  const app = await createTestApp({ MAX_RUNNING: '20', BATCH_MAX_VIDEOS: '60', SIMULATOR_SPEED: '1' });
  const { batchId } = await createBatch(app.admin, { videos: Array.from({ length: 60 }, () => SMALL) });
  const [response, other] = await Promise.all([cancel(app, batchId), cancel(app, batchId), app.settle()]);
  const cancelled = [response, other]
    .filter(({ statusCode }) => statusCode === 200)
    .map((answer) => dataOf<Cancelled>(answer).cancelled);
  expect(cancelled.reduce((sum, count) => sum + count, 0)).toBe(60);
  await app.settle();
  expect((await getBatch(app.admin, batchId)).progress.cancelled).toBe(60);
  expect(await batchEvents(app, batchId)).toEqual(['batch.created', 'batch.cancelled']);
});

test('a retry makes new jobs in the places of those that failed or were cancelled, and of no others', async () => {
  const app = await createTestApp();
  const failing = {
    ...SMALL,
    prompt: '[sim:fail] x',
    name: 'n',
    tags: ['t'],
    metadata: { a: '1' },
    priority: 'high',
  };
  const batch = await createBatch(app.admin, { videos: [SMALL, failing, SMALL] });
  const [, second, third] = batch.jobIds;
  await app.admin.request('DELETE', `/api/v1/videos/${third}`);
  await finishAll(app, batch);
  const response = await retry(app, batch.batchId);
  expect(response.statusCode, response.body).toBe(201);
  expect(response.headers.location).toBe(`/api/v1/batches/${batch.batchId}`);
  const { jobs, total } = dataOf<CreatedBatch>(response);
  expect(total).toBe(2);
  expect(jobs).toMatchObject([
    {
      ...failing,
      batchIndex: 1,
      retryOf: second,
      remixedFrom: null,
      status: 'pending',
      batchId: batch.batchId,
    },
    { batchIndex: 2, retryOf: third, prompt: SMALL.prompt },
  ]);
  const reopened = await getBatch(app.admin, batch.batchId);
  expect(reopened).toMatchObject({ status: 'processing', completedAt: null });
  expect(reopened.progress).toMatchObject({ total: 3, pending: 2, completed: 1, failed: 0, percentage: 33 });
  expect(reopened.jobs?.map((job) => job.jobId)).toEqual([batch.jobIds[0], ...jobs.map((job) => job.jobId)]);
  await app.admin.request('DELETE', `/api/v1/videos/${jobs[1]?.jobId}`);
  await app.finish(jobs[0]?.jobId ?? '');
  expect((await getBatch(app.admin, batch.batchId)).status).toBe('partial');
  expect(await batchEvents(app, batch.batchId)).toEqual([
    'batch.created',
    'batch.partial',
    'batch.retried',
    'batch.partial',
  ]);
  const all = await app.admin.request('GET', `/api/v1/videos?batchId=${batch.batchId}`);
  expect(dataOf<unknown[]>(all)).toHaveLength(5);
});

test('retries at once make each item once; a key gives the first answer; nothing left is 409', async () => {
  const app = await createTestApp();
  const batch = await createBatch(app.admin, { videos: [SMALL, SMALL, SMALL] });
  expect(refusalOf(await retry(app, batch.batchId)).code).toBe('nothing_to_retry');
  await cancel(app, batch.batchId);
  const key = { 'idempotency-key': 'again' };
  const answers = await Promise.all(Array.from({ length: 6 }, () => retry(app, batch.batchId)));
  expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([201, 409, 409, 409, 409, 409]);
  expect(await app.db.selectFrom('jobs').select('id').execute()).toHaveLength(6);
  await cancel(app, batch.batchId);
  const [first, same] = [await retry(app, batch.batchId, key), await retry(app, batch.batchId, key)];
  expect([first.statusCode, same.headers['idempotent-replayed'], same.body]).toEqual([
    201,
    'true',
    first.body,
  ]);
  expect(await app.db.selectFrom('jobs').select('id').execute()).toHaveLength(9);
  const { progress } = await getBatch(app.admin, batch.batchId);
  expect(progress).toMatchObject({ total: 3, pending: 3 });
});

test('a retry starts from the same picture as the job it repeats', async () => {
  const app = await createTestApp();
  const png =
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
  const video = { ...SMALL, inputReference: `data:image/png;base64,${png}` };
  const batch = await createBatch(app.admin, { videos: [video] });
  await cancel(app, batch.batchId);
  const { jobs } = dataOf<CreatedBatch>(await retry(app, batch.batchId));
  expect(jobs[0]?.inputReference).toBe(batch.jobs[0]?.inputReference);
  const rows = await app.db.selectFrom('jobs').select('reference_key').execute();
  expect(new Set(rows.map((row) => row.reference_key)).size).toBe(1);
});

test('a batch whose lineage is as deep as it may be is not tried again', async () => {
  const app = await createTestApp({ LINEAGE_MAX_DEPTH: '1' });
  const batch = await createBatch(app.admin, { videos: [SMALL] });
  await cancel(app, batch.batchId);
  expect((await retry(app, batch.batchId)).statusCode).toBe(201);
  await cancel(app, batch.batchId);
  expect(refusalOf(await retry(app, batch.batchId))).toMatchObject({
    code: 'invalid_batch',
    details: { items: [{ index: 0, code: 'lineage_too_deep' }] },
  });
});

test('a job that ends and a retry of its batch never wait for each other', async () => {
  const app = await createTestApp();
  const { batchId } = await createBatch(app.admin, { videos: [SMALL] });
  const waiting = async () => {
    const { rows } = await sql`select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(app.db);
    return rows.length;
  };
  let ending: ReturnType<typeof cancel> | undefined;
  await app.db.transaction().execute(async (tx) => {
    // In the order of a retry: the batch, and then what its new jobs are counted in.
    await tx.selectFrom('batches').select('id').where('id', '=', batchId).forUpdate().execute();
    ending = cancel(app, batchId);
    await expect.poll(waiting).toBe(1);
    expect(await tx.selectFrom('meters').selectAll().forUpdate().noWait().execute()).not.toEqual([]);
  });
  expect((await ending)?.statusCode).toBe(200);
});

test('a deleted video leaves its batch; what is left decides', async () => {
  const app = await createTestApp();
  const batch = await createBatch(app.admin, { videos: [SMALL, { ...SMALL, prompt: '[sim:fail] x' }] });
  await finishAll(app, batch);
  await app.admin.request('DELETE', `/api/v1/videos/${batch.jobIds[1]}?purge=true`);
  const { status, progress } = await getBatch(app.admin, batch.batchId);
  expect([status, progress.total]).toEqual(['completed', 1]);
  expect(refusalOf(await retry(app, batch.batchId)).code).toBe('nothing_to_retry');
});

test('the events of a batch are its own and those of its jobs, in order, in pages', async () => {
  const app = await createTestApp();
  const batch = await createBatch(app.admin, { videos: [SMALL] });
  await createBatch(app.admin, { videos: [SMALL] });
  await finishAll(app, batch);
  type Events = { id: number; type: string; jobId: string | null }[];
  const read = async (query: string) =>
    dataOf<Events>(await app.admin.request('GET', `/api/v1/batches/${batch.batchId}/events${query}`));
  const all = await read('');
  expect(all[0]).toMatchObject({ type: 'batch.created', jobId: null });
  expect(all.at(-1)).toMatchObject({ type: 'batch.completed', jobId: null });
  expect(new Set(all.map(({ jobId }) => jobId))).toEqual(new Set([null, ...batch.jobIds]));
  const paged: Events = [];
  for (let page = await read('?limit=3'); page.length > 0;) {
    paged.push(...page);
    page = await read(`?limit=3&after=${page.at(-1)?.id}`);
  }
  expect(paged).toEqual(all);
});

test('creating counts against the limit on creating requests', async () => {
  const app = await createTestApp({ CREATE_LIMIT_MAX: '1' });
  expect((await post(app.admin, { videos: [SMALL] })).statusCode).toBe(201);
  expect((await post(app.admin, { videos: [SMALL] })).statusCode).toBe(429);
});
