import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { batchEvents, countRows, createBatch, dataOf, getBatch, post, refusalOf } from './batch-requests.ts';
import { createTestApp, SMALL, useTestApp } from './create-test-app.ts';
import { picture } from './images.ts';

const shared = useTestApp();

test('a batch is its videos: created together, each in its place, with what they cost', async () => {
  const { admin, db } = shared();
  const response = await post(admin, {
    name: 'Autumn',
    defaults: { ...SMALL, tags: ['all'], metadata: { a: '1' }, aspectRatio: '1:1' },
    webhookUrl: 'https://example.com/batch',
    videos: [
      {},
      { prompt: 'own', tags: ['mine'], metadata: { b: '2' }, webhookUrl: 'https://example.com/own' },
      { resolution: '128x64', aspect_ratio: '2:1', priority: 'high', name: 'wide' },
    ],
  });
  expect(response.statusCode, response.body).toBe(201);
  const batch = dataOf<Awaited<ReturnType<typeof createBatch>>>(response);
  expect(response.headers.location).toBe(`/api/v1/batches/${batch.batchId}`);
  expect(batch).toMatchObject({ name: 'Autumn', total: 3, cost: { estimatedUsd: 0 } });
  expect(batch.jobIds).toEqual(batch.jobs.map((job) => job.jobId));
  expect(batch.jobs).toMatchObject([
    { batchIndex: 0, prompt: SMALL.prompt, tags: ['all'], metadata: { a: '1' }, resolution: '64x64' },
    { batchIndex: 1, prompt: 'own', tags: ['mine'], metadata: { b: '2' }, status: 'pending' },
    { batchIndex: 2, resolution: '128x64', priority: 'high', name: 'wide', batchId: batch.batchId },
  ]);
  for (const job of batch.jobs) expect(await admin.get(job.jobId)).toEqual(job);
  const urls = await db
    .selectFrom('jobs')
    .select('webhook_url')
    .where('batch_id', '=', batch.batchId)
    .orderBy('batch_index')
    .execute();
  expect(urls.map((row) => row.webhook_url?.split('/').at(-1))).toEqual(['batch', 'own', 'batch']);
  expect(await batchEvents(shared(), batch.batchId)).toEqual(['batch.created']);
});

const eleven = Array.from({ length: 11 }, () => SMALL);

test.each<[string, object | string, string, RegExp]>([
  ['no videos', { videos: [] }, 'invalid_batch', /1 to 10 videos/],
  ['eleven videos', { videos: eleven }, 'invalid_batch', /1 to 10 videos/],
  ['no list of videos', { name: 'x' }, 'invalid_request', /videos: is needed/],
  ['videos that are no list', { videos: SMALL }, 'invalid_request', /videos: must be array/],
  ['a list', [SMALL], 'invalid_request', /JSON object/],
  ['an unknown field', { videos: [SMALL], size: 1 }, 'unknown_field', /size/],
  ['an unknown default', { defaults: { sizes: 1 }, videos: [SMALL] }, 'unknown_field', /defaults.sizes/],
  [
    'a wrong default',
    { defaults: { duration: '4' }, videos: [SMALL] },
    'invalid_request',
    /defaults.duration/,
  ],
  ['a NUL in the name', { name: 'a\u0000', videos: [SMALL] }, 'invalid_request', /name/],
  ['a NUL in a default', { defaults: { tags: ['\u0000'] }, videos: [SMALL] }, 'invalid_request', /tags/],
  ['an empty name', { name: '', videos: [SMALL] }, 'invalid_request', /name/],
  ['a webhook of another kind', { webhookUrl: 'ftp://x', videos: [SMALL] }, 'invalid_request', /webhookUrl/],
  ['broken JSON', '{"videos": [', 'invalid_json', /JSON/],
])('%s: 400, and nothing is stored', async (_what, body, code, mention) => {
  const { admin } = shared();
  const before = await countRows(shared());
  const type = { type: 'application/json', 'idempotency-key': 'refused' };
  const response = await post(admin, typeof body === 'string' ? body : JSON.stringify(body), type);
  expect(response.statusCode).toBe(400);
  expect(refusalOf(response)).toMatchObject({ code, message: expect.stringMatching(mention) as string });
  expect(await countRows(shared())).toEqual(before);
});

test('every bad item is named by its index with all that is wrong with it, and nothing is stored', async () => {
  const { admin } = shared();
  const before = await countRows(shared());
  const response = await post(admin, {
    defaults: { resolution: '64x64' },
    videos: [
      SMALL,
      { ...SMALL, sizes: 1, duration: '4' },
      'a text',
      { prompt: ' ' },
      { prompt: 'x', duration: 61 },
      SMALL,
      { prompt: 'x', aspectRatio: '9:16' },
      { prompt: 'x', model: 'nope' },
      { prompt: 'x', tags: ['\u0000'] },
    ],
  });
  expect(response.statusCode).toBe(400);
  const { code, message, details } = refusalOf(response);
  expect(code).toBe('invalid_batch');
  expect(message).toContain('7 of 9 videos are not valid');
  expect(details?.items?.map((item) => [item.index, item.code, item.field])).toEqual([
    [1, 'unknown_field', 'sizes'],
    [1, 'invalid_request', 'duration'],
    [2, 'invalid_request', undefined],
    [3, 'invalid_prompt', 'prompt'],
    [4, 'unsupported_duration', 'duration'],
    [6, 'unsupported_size', 'aspectRatio'],
    [7, 'model_not_found', 'model'],
    [8, 'invalid_request', 'tags.0'],
  ]);
  expect(await countRows(shared())).toEqual(before);
});

test('the same key gives the first answer, word for word, and one batch; another body is refused', async () => {
  const app = await createTestApp();
  const key = { 'idempotency-key': 'autumn' };
  const send = (prompt: string) => post(app.admin, { videos: [SMALL, { ...SMALL, prompt }] }, key);
  const answers = await Promise.all(Array.from({ length: 20 }, () => send('x')));
  expect(new Set(answers.map((answer) => answer.body)).size).toBe(1);
  expect(new Set(answers.map((answer) => answer.headers.location)).size).toBe(1);
  expect(answers.filter((answer) => answer.headers['idempotent-replayed'] === undefined)).toHaveLength(1);
  const other = await send('y');
  expect([other.statusCode, refusalOf(other).code]).toEqual([422, 'idempotency_key_reused']);
  expect((await countRows(app)).slice(0, 3)).toEqual([1, 2, 3]);
});

test("an official client's retry without a key finds its batch; retries together make one", async () => {
  const app = await createTestApp();
  const payload = { videos: [SMALL, SMALL] };
  const send = (attempt: number, body: object = payload) =>
    app.admin.inject({
      method: 'POST',
      url: '/api/v1/videos/batch',
      payload: body,
      headers: { 'x-stainless-retry-count': String(attempt) },
    });
  const first = await send(0);
  await app.settle();
  const again = await send(1);
  const [made, found] = [first, again].map((response) =>
    dataOf<Awaited<ReturnType<typeof createBatch>>>(response),
  );
  expect([again.statusCode, again.headers['idempotent-replayed']]).toEqual([201, 'true']);
  expect(again.headers.location).toBe(first.headers.location);
  expect(found?.jobIds).toEqual(made?.jobIds);
  // Whose first request never came through.
  const other = { videos: [SMALL] };
  const retries = await Promise.all([1, 1, 2].map((attempt) => send(attempt, other)));
  expect(new Set(retries.map(({ headers }) => headers.location)).size).toBe(1);
  expect((await countRows(app)).slice(0, 2)).toEqual([2, 3]);
});

test('a dry run stores and fetches nothing, and tells exactly what is created then', async () => {
  const { admin } = shared();
  const request = {
    defaults: SMALL,
    videos: [{}, { duration: 3, model: 'sora-2' }, { inputReference: 'http://127.0.0.1:1/nobody.png' }],
  };
  const before = await countRows(shared());
  const dry = await post(admin, request, { query: '?dryRun=true', 'idempotency-key': 'dry' });
  expect(dry.statusCode, dry.body).toBe(200);
  expect(await countRows(shared())).toEqual(before);
  const real = await createBatch(admin, { ...request, videos: [...request.videos.slice(0, 2), {}] });
  expect(dataOf(dry)).toEqual({
    dryRun: true,
    total: 3,
    cost: real.cost,
    items: real.jobs.map((job, index) => ({
      index,
      model: job.model,
      provider: job.provider,
      duration: job.duration,
      resolution: job.resolution,
      estimatedUsd: job.cost.estimatedUsd,
    })),
  });
  const bad = await post(admin, { videos: [{}] }, { query: '?dryRun=true' });
  expect(refusalOf(bad).code).toBe('invalid_batch');
});

/** A server of one picture that counts how often, and how often at once, it is asked. */
async function startPictures(): Promise<{ url: string; seen: string[]; most: () => number }> {
  const data = await picture('png', 32, 16);
  const seen: string[] = [];
  let now = 0;
  let most = 0;
  const server = createServer((request, response) => {
    seen.push(request.url ?? '');
    most = Math.max(most, (now += 1));
    setImmediate(() => {
      now -= 1;
      const isThere = request.url !== '/gone.png';
      response.writeHead(isThere ? 200 : 404, { 'content-type': 'image/png' }).end(isThere ? data : '');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, most: () => most };
}

test('a reference image that several share is fetched once, a few at a time; a fit is of each video', async () => {
  const app = await createTestApp({ ASSET_ALLOW_PRIVATE: 'true' });
  const { url, seen, most } = await startPictures();
  const { jobs } = await createBatch(app.admin, {
    defaults: { ...SMALL, referenceFit: 'cover' },
    videos: [
      {},
      { inputReference: `${url}/0.png` },
      { inputReference: `${url}/0.png` },
      { inputReference: `${url}/0.png`, resolution: '128x64' },
      ...Array.from({ length: 6 }, (_, index) => ({ inputReference: `${url}/${index + 1}.png` })),
    ],
  });
  const [none, first, second, other, ...rest] = jobs.map((job) => job.inputReference);
  expect(none).toBeNull();
  expect(first).toMatch(/^asset_/);
  expect(second).toBe(first);
  expect(other).not.toBe(first);
  // The same bytes from other places are the same picture.
  expect(new Set(rest)).toEqual(new Set([first]));
  expect(seen.filter((path) => path === '/0.png')).toHaveLength(2);
  expect(seen).toHaveLength(8);
  expect(most()).toBeLessThanOrEqual(4);
  const sizes = await app.db.selectFrom('assets').select(['width', 'height']).orderBy('width').execute();
  expect(sizes).toEqual([
    { width: 64, height: 64 },
    { width: 128, height: 64 },
  ]);
});

test('a picture that cannot be had names its items, and nothing is created', async () => {
  const app = await createTestApp({ ASSET_ALLOW_PRIVATE: 'true' });
  const { url, seen } = await startPictures();
  const gone = { ...SMALL, inputReference: `${url}/gone.png` };
  const before = await countRows(app);
  const refused = await post(app.admin, {
    videos: [gone, SMALL, gone, { ...SMALL, inputReference: 'asset_nobody' }],
  });
  expect(refused.statusCode, refused.body).toBe(400);
  expect(refusalOf(refused).details?.items).toMatchObject([
    { index: 0, code: 'invalid_reference', field: 'inputReference' },
    { index: 2, code: 'invalid_reference', field: 'inputReference' },
    { index: 3, code: 'asset_not_found', field: 'inputReference' },
  ]);
  // Refused for something else, nothing is fetched at all.
  seen.length = 0;
  await post(app.admin, { videos: [{ ...SMALL, inputReference: `${url}/1.png` }, { prompt: '' }] });
  expect(seen).toEqual([]);
  const alone = await post(app.admin, { videos: [{ ...SMALL, referenceFit: 'cover' }] });
  expect(refusalOf(alone).details?.items).toMatchObject([{ index: 0, field: 'referenceFit' }]);
  expect(await countRows(app)).toEqual(before);
});

test('a batch shows its first hundred jobs, or all ids, or none', async () => {
  const app = await createTestApp({ BATCH_MAX_VIDEOS: '120' });
  const videos = Array.from({ length: 120 }, () => SMALL);
  const { batchId, jobIds } = await createBatch(app.admin, { videos });
  const full = await getBatch(app.admin, batchId);
  expect(full.jobs?.map((job) => job.jobId)).toEqual(jobIds.slice(0, 100));
  const { jobIds: ids, jobs } = await getBatch(app.admin, batchId, '?jobs=ids');
  expect([ids, jobs]).toEqual([jobIds, undefined]);
  const none = await getBatch(app.admin, batchId, '?jobs=none');
  expect([none.jobs, none.jobIds]).toEqual([undefined, undefined]);
  const rest = await app.admin.request('GET', `${none.jobsUrl}&limit=100&page=2`);
  expect(dataOf<unknown[]>(rest)).toHaveLength(20);
});

test("another owner's batch is answered like none, whatever is asked of it", async () => {
  const { admin, user } = shared();
  const { batchId } = await createBatch(admin, { videos: [SMALL] });
  const stranger = await user();
  for (const [method, path] of [
    ['GET', ''],
    ['DELETE', ''],
    ['GET', '/events'],
    ['POST', '/retry'],
  ] as const) {
    const response = await stranger.request(method, `/api/v1/batches/${batchId}${path}`);
    expect([response.statusCode, refusalOf(response).code], method).toEqual([404, 'batch_not_found']);
  }
  expect(dataOf<unknown[]>(await stranger.request('GET', '/api/v1/batches'))).toEqual([]);
  expect((await getBatch(admin, batchId)).status).toBe('pending');
});
