import { ALL_SCOPES, type Principal } from '../../src/accounts/principal.ts';
import { expect, test } from 'vitest';
import type { JobView } from '../../src/jobs/job-view.ts';
import { createTestApp, SMALL } from '../create-test-app.ts';

interface Body {
  data: Record<string, unknown>;
  error: Record<string, unknown>;
}

test('create answers 201 with Location, and what was left out is filled in by the model', async () => {
  const { admin } = await createTestApp();
  const response = await admin.request('POST', '/api/v1/videos', {
    prompt: 'a cat',
    metadata: { order: '7' },
  });
  const { data } = response.json() as { data: JobView };
  expect(response.statusCode).toBe(201);
  expect(response.headers.location).toBe(`/api/v1/videos/${data.jobId}`);
  expect(data).toMatchObject({
    status: 'pending',
    stage: 'queued',
    model: 'simulator',
    provider: 'simulator',
    duration: 4,
    resolution: '1280x720',
    priority: 'normal',
    metadata: { order: '7' },
    cost: { estimatedUsd: 0, chargedUsd: null },
  });
});

test.each([
  [{ resolution: '1080p' }, '1920x1080'],
  [{ resolution: '720p', aspectRatio: '9:16' }, '720x1280'],
  [{ aspect_ratio: '1:1' }, '720x720'],
  [{ resolution: '640x360', aspectRatio: '16:9' }, '640x360'],
])('%j means %s', async (body, resolution) => {
  const { admin } = await createTestApp();
  expect((await admin.create({ prompt: 'x', ...body })).resolution).toBe(resolution);
});

test('an alias is shown as the model, with the real one beside it', async () => {
  const { admin } = await createTestApp();
  expect(await admin.create({ prompt: 'x', model: 'sora-2' })).toMatchObject({
    model: 'sora-2',
    upstreamModel: 'simulator',
  });
});

test('a form makes the same video as JSON, with an image as its first frame', async () => {
  const { admin, finish } = await createTestApp();
  const form = new FormData();
  form.set('prompt', 'a form');
  form.set('duration', '1');
  form.set('resolution', '64x64');
  form.set('tags', 'a, b');
  form.set('metadata', '{"k":"v"}');
  const pixel = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  );
  form.set('inputReference', new Blob([pixel], { type: 'image/png' }), 'first.png');
  const encoded = new Response(form);
  const response = await admin.inject({
    method: 'POST',
    url: '/api/v1/videos',
    headers: { 'content-type': encoded.headers.get('content-type') ?? '' },
    payload: Buffer.from(await encoded.arrayBuffer()),
  });
  const { data } = response.json() as { data: JobView };
  expect(data).toMatchObject({ duration: 1, resolution: '64x64', tags: ['a', 'b'], metadata: { k: 'v' } });
  expect((await finish(data.jobId)).status).toBe('completed');
});

test('result and content say clearly that a job is not finished, and that one failed', async () => {
  const { admin, finish } = await createTestApp();
  const open = await admin.create();
  for (const path of ['result', 'content']) {
    const response = await admin.request('GET', `/api/v1/videos/${open.jobId}/${path}`);
    expect(response.statusCode).toBe(400);
    expect((response.json() as Body).error).toMatchObject({
      code: 'video_not_completed',
      message: 'The video is not finished yet: it is pending, 0 % done.',
    });
  }
  const failed = await admin.create({ ...SMALL, prompt: '[sim:moderation] x' });
  await finish(failed.jobId);
  const response = await admin.request('GET', `/api/v1/videos/${failed.jobId}/result`);
  expect((response.json() as Body).error['message']).toMatch(/^The video failed: /);
});

test('content honours Range, If-Range, If-None-Match and HEAD', async () => {
  const { admin, finish } = await createTestApp();
  const { jobId } = await admin.create();
  const { result } = await finish(jobId);
  const url = `/api/v1/videos/${jobId}/content`;
  const size = result?.fileSize ?? 0;
  const whole = await admin.request('GET', url);
  const get = (headers: Record<string, string>) => admin.inject({ method: 'GET', url, headers });

  expect(whole.headers).toMatchObject({
    'content-type': 'video/mp4',
    'content-length': String(size),
    'accept-ranges': 'bytes',
    etag: `"${result?.sha256}"`,
    'content-disposition': `inline; filename="${jobId}.mp4"`,
  });
  const part = await get({ range: 'bytes=10-19' });
  expect(part.statusCode).toBe(206);
  expect(part.headers['content-range']).toBe(`bytes 10-19/${size}`);
  expect(part.rawPayload.equals(whole.rawPayload.subarray(10, 20))).toBe(true);
  expect((await get({ range: 'bytes=-5' })).rawPayload.equals(whole.rawPayload.subarray(-5))).toBe(true);
  expect((await get({ range: 'bytes=0-1,4-5' })).statusCode).toBe(200);
  const beyond = await get({ range: `bytes=${size}-` });
  expect(beyond.statusCode).toBe(416);
  expect(beyond.headers['content-range']).toBe(`bytes */${size}`);
  expect((await get({ range: 'bytes=0-1', 'if-range': '"other"' })).statusCode).toBe(200);
  expect((await get({ 'if-none-match': `W/"${result?.sha256}"` })).statusCode).toBe(304);
  const head = await admin.request('HEAD', url);
  expect(head.headers['content-length']).toBe(String(size));
  expect(head.rawPayload.length).toBe(0);
  const saved = await admin.request('GET', `${url}?download=true&variant=thumbnail`);
  expect(saved.headers['content-disposition']).toBe(`attachment; filename="${jobId}-thumbnail.webp"`);
});

test('events tell the story of a job in order', async () => {
  const { admin, finish } = await createTestApp();
  const { jobId } = await admin.create();
  await finish(jobId);
  const events = (await admin.request('GET', `/api/v1/videos/${jobId}/events`)).json() as {
    data: { type: string }[];
  };
  expect(events.data.map((event) => event.type)).toEqual([
    'job.created',
    'job.started',
    'job.accepted',
    'job.rendered',
    'job.completed',
  ]);
});

test('models lists what can be asked for', async () => {
  const { admin } = await createTestApp();
  const { data } = (await admin.request('GET', '/api/v1/models')).json() as { data: object[] };
  expect(data).toMatchObject([
    {
      id: 'simulator',
      aliasOf: null,
      isDefault: true,
      durations: { min: 1, max: 60 },
      resolutions: { min: '64x64', max: '1920x1920' },
      pricePerSecondUsd: 0,
    },
    { id: 'sora-2', aliasOf: 'simulator', isDefault: false },
    { id: 'sora-2-pro', aliasOf: 'simulator' },
  ]);
});

test('purge deletes a finished job and its files, and nothing else', async () => {
  const { admin, finish, app } = await createTestApp();
  const { jobId } = await admin.create();
  const early = await admin.request('DELETE', `/api/v1/videos/${jobId}?purge=true`);
  expect(early.statusCode).toBe(409);
  await finish(jobId);
  const caller: Principal = {
    userId: 'usr_admin',
    ownerId: 'usr_admin',
    role: 'admin',
    scopes: ALL_SCOPES,
    credentialId: 'key',
    keyId: 'key',
    models: null,
  };
  const file = await app.jobs.file(caller, jobId, 'video');
  expect((await admin.request('DELETE', `/api/v1/videos/${jobId}?purge=true`)).json()).toMatchObject({
    data: { jobId, purged: true },
  });
  expect((await admin.request('GET', `/api/v1/videos/${jobId}`)).statusCode).toBe(404);
  await expect(app.jobs.open(file)).rejects.toMatchObject({ code: 'content_not_found' });
});

test('health, readiness and metrics answer without a key', async () => {
  const { app, admin, finish } = await createTestApp();
  await finish((await admin.create()).jobId);
  const get = async (url: string, accept = 'application/json') =>
    app.server.inject({ method: 'GET', url, headers: { accept } });
  expect((await get('/health')).json()).toMatchObject({
    status: 'ok',
    version: expect.any(String) as string,
  });
  const ready = await get('/ready');
  expect(ready.statusCode).toBe(200);
  expect(ready.json()).toMatchObject({
    ready: true,
    checks: { database: { ok: true }, queue: { ok: true }, storage: { ok: true } },
  });
  expect((await get('/metrics')).json()).toMatchObject({
    jobs: { total: 1, completed: 1 },
    api: { errors: 0 },
  });
  const text = await get('/metrics', 'text/plain');
  expect(text.headers['content-type']).toMatch(/^text\/plain/);
  expect(text.body).toContain('sora_jobs{status="completed"} 1');
});
