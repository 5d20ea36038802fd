import { sql } from 'kysely';
import OpenAI from 'openai';
import { expect, onTestFinished, test } from 'vitest';
import { firstAdmin, PUBLIC_URL } from './accounts-kit.ts';
import { createTestApp, SMALL, type TestApp } from './create-test-app.ts';
import { startLossyProxy } from './lossy-proxy.ts';
import { startApp } from './start-app.ts';

const countJobs = async ({ db }: TestApp) => (await db.selectFrom('jobs').select('id').execute()).length;

function create({ admin }: TestApp, url: string, payload: object, headers: Record<string, string> = {}) {
  return admin.inject({ method: 'POST', url, payload, headers });
}

test.each(['/api/v1/videos', '/v1/videos'])(
  '%s: the same key and body give the first answer, word for word',
  async (url) => {
    const app = await createTestApp();
    const key = { 'idempotency-key': 'order-7' };
    const first = await create(app, url, { prompt: 'x', model: 'simulator' }, key);
    await app.settle();
    const again = await create(app, url, { model: 'simulator', prompt: 'x' }, key);
    expect(again.body).toBe(first.body);
    expect([again.statusCode, again.headers['idempotent-replayed']]).toEqual([first.statusCode, 'true']);
    expect(again.headers.location).toBe(first.headers.location);
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    expect(await countJobs(app)).toBe(1);
  },
);

test('the same key with another body is 422, on another API as well', async () => {
  const app = await createTestApp();
  const key = { 'idempotency-key': 'k' };
  await create(app, '/api/v1/videos', { prompt: 'x' }, key);
  for (const [url, prompt] of [
    ['/api/v1/videos', 'y'],
    ['/v1/videos', 'x'],
  ] as const) {
    const response = await create(app, url, { prompt }, key);
    expect(response.statusCode).toBe(422);
    expect(response.json()).toMatchObject({ error: { code: 'idempotency_key_reused' } });
  }
  expect(await countJobs(app)).toBe(1);
});

test('a hundred at once with one key make one job', async () => {
  const app = await createTestApp();
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => create(app, '/api/v1/videos', SMALL, { 'idempotency-key': 'k' })),
  );
  expect(new Set(answers.map((answer) => answer.body)).size).toBe(1);
  expect(answers.filter((answer) => answer.headers['idempotent-replayed'] === undefined)).toHaveLength(1);
  expect(await countJobs(app)).toBe(1);
});

test('whatever comes at once gets its own answer: without a key, with one, with one that another request has', async () => {
  const app = await createTestApp();
  const requests = Array.from({ length: 60 }, (_, n) => {
    const headers = n % 3 === 0 ? {} : { 'idempotency-key': n % 3 === 1 ? `own-${n}` : `shared-${n % 4}` };
    return { headers, payload: { ...SMALL, prompt: n % 3 === 2 ? `shared, ${n % 8}` : `own, ${n}` } };
  });
  const answers = await Promise.all(
    requests.map(({ payload, headers }) => create(app, '/api/v1/videos', payload, headers)),
  );
  const shared = answers.filter((_, n) => n % 3 === 2);
  expect(answers.filter((_, n) => n % 3 !== 2).map(({ statusCode }) => statusCode)).toEqual(
    Array(40).fill(201),
  );
  // Each of the four keys stands for one of its two bodies, and for one job.
  expect(new Set(shared.filter(({ statusCode }) => statusCode === 201).map(({ body }) => body)).size).toBe(4);
  expect(new Set(shared.map(({ statusCode }) => statusCode))).toEqual(new Set([201, 422]));
  expect(await countJobs(app)).toBe(44);
  const { rows } = await sql<{ id: string; prompt: string }>`select id, prompt from jobs`.execute(app.db);
  const prompts = new Map(rows.map(({ id, prompt }) => [id, prompt]));
  answers.forEach(({ statusCode, json }, n) => {
    if (statusCode === 201)
      expect(prompts.get(json<{ data: { jobId: string } }>().data.jobId)).toBe(requests[n]?.payload.prompt);
  });
});

test('keys are kept for a day, belong to their owner, and a refused request uses none up', async () => {
  const app = await createTestApp();
  const key = { 'idempotency-key': 'k' };
  expect((await create(app, '/api/v1/videos', { prompt: '' }, key)).statusCode).toBe(400);
  await create(app, '/api/v1/videos', SMALL, key);
  const stranger = await app.user();
  const theirs = await stranger.inject({
    method: 'POST',
    url: '/api/v1/videos',
    payload: SMALL,
    headers: key,
  });
  expect(theirs.headers['idempotent-replayed']).toBeUndefined();
  await app.clock.advance(24 * 60 * 60_000 + 1);
  expect((await create(app, '/api/v1/videos', SMALL, key)).headers['idempotent-replayed']).toBeUndefined();
  expect(await countJobs(app)).toBe(3);
});

test.each(['', 'x'.repeat(256), 'with space', 'ü'])('the key %j is refused', async (key) => {
  const app = await createTestApp();
  const response = await create(app, '/api/v1/videos', SMALL, { 'idempotency-key': key });
  expect(response.statusCode).toBe(400);
  expect(await countJobs(app)).toBe(0);
});

const TWICE = { prompt: 'twice' };

/** Sends the same request as the official client does, and says which video it was answered with. */
async function send(app: TestApp, retryCount: number): Promise<{ id: string; isReplayed: boolean }> {
  const headers = { 'x-stainless-retry-count': String(retryCount) };
  const answer = await create(app, '/v1/videos', TWICE, headers);
  const { id } = answer.json<{ id: string }>();
  return { id, isReplayed: answer.headers['idempotent-replayed'] === 'true' };
}

test("an official client's retry without a key finds its first request, and is told so", async () => {
  const app = await createTestApp();
  const first = await send(app, 0);
  expect(first.isReplayed).toBe(false);
  await app.clock.advance(9000);
  expect(await send(app, 1)).toEqual({ id: first.id, isReplayed: true });
  // Each answer may be the one that was lost: the time of the next retry counts from the last of them.
  for (const retryCount of [2, 3, 4]) {
    await app.clock.advance(9000);
    expect(await send(app, retryCount)).toEqual({ id: first.id, isReplayed: true });
  }
  expect(await countJobs(app)).toBe(1);
});

test('a deliberate repetition is a second video, and so is one whose first try was lost long after the first answer', async () => {
  const app = await createTestApp();
  const ids = [(await send(app, 0)).id, (await send(app, 0)).id];
  await app.clock.advance(30_000);
  ids.push((await send(app, 1)).id);
  expect(new Set(ids).size).toBe(3);
});

test('tries that did not come through count: a third retry may come a minute after the answer', async () => {
  const app = await createTestApp();
  const { id } = await send(app, 0);
  await app.clock.advance(50_000);
  expect((await send(app, 3)).id).toBe(id);
});

test('two equal videos whose answers were both lost are two for their retries too', async () => {
  const app = await createTestApp();
  const first = (await send(app, 0)).id;
  await app.clock.advance(2000);
  const second = (await send(app, 0)).id;
  for (const retryCount of [1, 2]) {
    expect((await send(app, retryCount)).id).toBe(first);
    await app.clock.advance(2000);
    expect((await send(app, retryCount)).id).toBe(second);
  }
  expect(await countJobs(app)).toBe(2);
  await app.clock.advance(2000);
  // Both have had their second retry: a third one of that number belongs to a request that never came through.
  expect((await send(app, 2)).isReplayed).toBe(false);
});

test('a video that its owner has put away was heard of: no retry is answered with it', async () => {
  const app = await createTestApp();
  const { id } = await send(app, 0);
  await app.db
    .updateTable('jobs')
    .set({
      stage: 'finished',
      status: 'cancelled',
      cancel_outcome: 'not_started',
      finished_at: new Date(app.clock.now()),
    })
    .execute();
  await app.db
    .updateTable('jobs')
    .set({ deleted_at: new Date(app.clock.now()) })
    .execute();
  expect((await send(app, 1)).id).not.toBe(id);
});

test('retries that overtake each other, whose first request never came through, make one job together', async () => {
  const app = await createTestApp();
  const answers = await Promise.all([1, 2, 3, 4].map((retryCount) => send(app, retryCount)));
  expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
  expect(await countJobs(app)).toBe(1);
});

test('the credential is no part of a request: a rotated key finds what the former key made', async () => {
  const app = await createTestApp();
  const made = await app.admin.request('POST', '/api/v1/keys', { name: 'rotated' });
  const { key } = made.json<{ data: { key: string } }>().data;
  for (const headers of [{ 'idempotency-key': 'k' }, { 'x-stainless-retry-count': '1' }]) {
    const first = await create(app, '/v1/videos', TWICE, { ...headers, 'x-stainless-retry-count': '0' });
    const again = await create(app, '/v1/videos', TWICE, { ...headers, authorization: `Bearer ${key}` });
    expect(again.json()).toMatchObject({ id: first.json<{ id: string }>().id });
    expect(again.headers['idempotent-replayed']).toBe('true');
  }
  const stranger = await app.user();
  const theirs = await stranger.inject({
    method: 'POST',
    url: '/v1/videos',
    payload: TWICE,
    headers: { 'x-stainless-retry-count': '1' },
  });
  expect(theirs.headers['idempotent-replayed']).toBeUndefined();
});

test('creates through the real openai client, every other answer dropped: one job each', async () => {
  const { url, key } = await startApp({ SIMULATOR_SPEED: '1', MAX_RUNNING: '1' });
  const proxy = await startLossyProxy(url, (request) => request % 2 === 1);
  onTestFinished(() => proxy.close());
  const client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: key, maxRetries: 5 });
  const prompts = Array.from({ length: 12 }, (_, index) => `lossy ${index}`);
  const created = [];
  for (const prompt of prompts) created.push(await client.videos.create({ prompt }));
  const direct = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
  const all = (await direct.videos.list({ limit: 100 })).data;
  expect(proxy.counts.lost).toBeGreaterThanOrEqual(prompts.length - 1);
  expect(all.map((video) => video.id).sort()).toEqual(created.map((video) => video.id).sort());
});

test('a session that has moved to another team finds no video of the one before by a retry', async () => {
  const browser = await firstAdmin(await createTestApp({ PUBLIC_URL }));
  const send = async (attempt: number) => {
    const headers = { 'x-stainless-retry-count': String(attempt) };
    const answer = await browser.send('POST', 'videos', SMALL, headers);
    return (answer.json() as { data: { jobId: string } }).data.jobId;
  };
  const { teamId } = await browser.data<{ teamId: string }>('POST', 'teams', { name: 'Studio' });
  await browser.data('POST', 'auth/switch', { teamId });
  const theirs = await send(0);
  expect(await send(1)).toBe(theirs);
  await browser.data('POST', 'auth/switch', { teamId: null });
  const own = await send(1);
  expect(own).not.toBe(theirs);
  expect((await browser.send('GET', `videos/${own}`)).statusCode).toBe(200);
});
