import OpenAI, { AuthenticationError, BadRequestError, NotFoundError, toFile } from 'openai';
import { expect, test } from 'vitest';
import { startApp } from './start-app.ts';
import { startSimulator } from './start-simulator.ts';

async function startClient(env: Record<string, string> = {}) {
  const { url, key } = await startApp(env);
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
}

/** As programs written for Sora do it. */
async function untilDone(client: OpenAI, id: string): Promise<OpenAI.Videos.Video> {
  for (;;) {
    const { data: video, response } = await client.videos.retrieve(id).withResponse();
    if (video.status === 'completed' || video.status === 'failed') return video;
    expect(['queued', 'in_progress']).toContain(video.status);
    const waitMs = Number(response.headers.get('openai-poll-after-ms'));
    expect(waitMs).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, 100)));
  }
}

async function wholeLife(client: OpenAI, model: string): Promise<void> {
  const created = await client.videos.create({
    model,
    prompt: 'a paper boat',
    seconds: '4',
    size: '720x1280',
  });
  expect(created).toMatchObject({
    object: 'video',
    status: 'queued',
    model,
    seconds: '4',
    size: '720x1280',
    progress: 0,
    prompt: 'a paper boat',
    completed_at: null,
    expires_at: null,
    remixed_from_video_id: null,
    error: null,
  });
  const video = await untilDone(client, created.id);
  expect(video).toMatchObject({ id: created.id, status: 'completed', progress: 100, error: null });
  expect(video.completed_at).toBeGreaterThanOrEqual(video.created_at);

  const file = Buffer.from(await (await client.videos.downloadContent(created.id)).arrayBuffer());
  expect(file.subarray(4, 8).toString()).toBe('ftyp');
  const thumbnail = await client.videos.downloadContent(created.id, { variant: 'thumbnail' });
  expect(thumbnail.headers.get('content-type')).toBe('image/webp');
  const sheet = await client.videos.downloadContent(created.id, { variant: 'spritesheet' });
  expect(sheet.headers.get('content-type')).toBe('image/jpeg');

  expect((await client.videos.list()).data.map(({ id }) => id)).toContain(created.id);
  expect(await client.videos.delete(created.id)).toEqual({
    id: created.id,
    object: 'video.deleted',
    deleted: true,
  });
  await expect(client.videos.retrieve(created.id)).rejects.toBeInstanceOf(NotFoundError);
}

test('the openai package: create, poll, download, list, delete, on the built-in simulator', async () => {
  await wholeLife(await startClient(), 'sora-2');
});

test('the same with a separate /v1/videos server as the upstream', async () => {
  const simulator = await startSimulator(['--speed', '0']);
  const client = await startClient({ OPENAI_BASE_URL: simulator.url, OPENAI_API_KEY: 'any' });
  await wholeLife(client, 'sora-2');
  expect(await simulator.ledger()).toMatchObject({ created: 1, duplicates: 0 });
});

test('defaults are those of the format: four seconds, upright, the default model', async () => {
  const client = await startClient();
  expect(await client.videos.create({ prompt: 'x' })).toMatchObject({
    seconds: '4',
    size: '720x1280',
    model: 'simulator',
  });
});

test('an uploaded first frame is taken', async () => {
  const client = await startClient();
  const pixel = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  );
  const input_reference = await toFile(pixel, 'first.png', { type: 'image/png' });
  const uploaded = await client.videos.create({ prompt: 'x', size: '1280x720', input_reference });
  expect((await untilDone(client, uploaded.id)).status).toBe('completed');
  const linked = await client.videos.create({
    prompt: 'x',
    input_reference: { image_url: `data:image/png;base64,${pixel.toString('base64')}` },
  });
  expect(linked.status).toBe('queued');
  const text = await toFile(Buffer.from('not an image'), 'first.png', { type: 'image/png' });
  await expect(client.videos.create({ prompt: 'x', input_reference: text })).rejects.toMatchObject({
    status: 400,
    code: 'invalid_reference',
    param: 'input_reference',
  });
});

test('the pager walks all videos, newest first and oldest first', async () => {
  const client = await startClient({ MAX_RUNNING: '1', SIMULATOR_SPEED: '1' });
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1)
    ids.push((await client.videos.create({ prompt: `n${index}` })).id);
  for (const order of ['asc', 'desc'] as const) {
    const seen: string[] = [];
    for await (const video of client.videos.list({ limit: 2, order })) seen.push(video.id);
    expect(seen).toEqual(order === 'asc' ? ids : ids.toReversed());
  }
  const page = await (await client.videos.list({ limit: 2 }).asResponse()).json();
  expect(page).toMatchObject({ object: 'list', first_id: ids[4], last_id: ids[3], has_more: true });
});

test('failures of the render come in-band, failures of the request as the errors the client knows', async () => {
  const client = await startClient();
  const { id } = await client.videos.create({ prompt: '[sim:moderation] x' });
  const failed = await untilDone(client, id);
  expect(failed).toMatchObject({ status: 'failed', error: { code: 'moderation_blocked' } });
  await expect(client.videos.create({ prompt: '' })).rejects.toBeInstanceOf(BadRequestError);
  await expect(client.videos.create({ prompt: 'x', model: 'nope' })).rejects.toMatchObject({
    code: 'model_not_found',
    requestID: expect.stringMatching(/^req_/) as string,
  });
  const stranger = new OpenAI({ baseURL: client.baseURL, apiKey: 'wrong' });
  await expect(stranger.videos.list()).rejects.toBeInstanceOf(AuthenticationError);
});

test('deleting a running video stops it', async () => {
  const client = await startClient({ SIMULATOR_SPEED: '1' });
  const { id } = await client.videos.create({ prompt: 'x' });
  expect(await client.videos.delete(id)).toMatchObject({ deleted: true });
  await expect(client.videos.retrieve(id)).rejects.toBeInstanceOf(NotFoundError);
});

test('models can be listed and retrieved', async () => {
  const client = await startClient();
  expect((await client.models.list()).data.map(({ id }) => id)).toEqual([
    'simulator',
    'sora-2',
    'sora-2-pro',
  ]);
  expect(await client.models.retrieve('sora-2')).toMatchObject({
    id: 'sora-2',
    object: 'model',
    owned_by: 'simulator',
  });
});
