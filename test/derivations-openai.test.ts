import OpenAI, { BadRequestError, NotFoundError, toFile } from 'openai';
import { expect, test, vi } from 'vitest';
import { useTestApp } from './create-test-app.ts';
import { startApp } from './start-app.ts';
import { startSimulator } from './start-simulator.ts';

vi.setConfig({ testTimeout: 90_000 });

const shared = useTestApp();

/** Ours beside the format's. */
type Video = OpenAI.Videos.Video & { derivation: Record<string, unknown> | null };

async function untilDone(client: OpenAI, id: string): Promise<Video> {
  for (;;) {
    const video = (await client.videos.retrieve(id)) as Video;
    if (video.status === 'completed' || video.status === 'failed') return video;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

test(
  'the openai package remixes, edits and extends, before a server that can',
  { timeout: 90_000 },
  async () => {
    const simulator = await startSimulator(['--speed', '0']);
    const { url, key } = await startApp({ OPENAI_BASE_URL: simulator.url, OPENAI_API_KEY: 'any' });
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
    const parent = await client.videos.create({ model: 'sora-2', prompt: 'a boat', seconds: '4' });
    expect(parent).toMatchObject({ remixed_from_video_id: null, derivation: null });
    expect(await untilDone(client, parent.id)).toMatchObject({ status: 'completed' });

    const remix = (await client.videos.remix(parent.id, { prompt: '[sim:stuck] at night' })) as Video;
    expect(remix).toMatchObject({
      object: 'video',
      status: 'queued',
      model: 'sora-2',
      prompt: '[sim:stuck] at night',
      seconds: '4',
      size: '720x1280',
      remixed_from_video_id: parent.id,
      derivation: {
        kind: 'remix',
        parent_id: parent.id,
        root_id: parent.id,
        depth: 1,
        by: 'provider',
        note: null,
      },
    });
    const edit = await client.videos.edit({ prompt: '[sim:stuck] red', video: { id: parent.id } });
    expect(edit).toMatchObject({ remixed_from_video_id: parent.id, derivation: { kind: 'edit' } });
    const extension = await client.videos.extend({
      prompt: '[sim:stuck] it lands',
      seconds: '8',
      video: { id: parent.id },
    });
    expect(extension).toMatchObject({ seconds: '12', derivation: { kind: 'extend', by: 'provider' } });
    await expect
      .poll(() => simulator.ledger(), { timeout: 20_000 })
      .toMatchObject({ created: 4, derived: { remix: 1, edit: 1, extend: 1 } });

    // An uploaded video is no source here, and the client is told what is.
    const file = await toFile(Buffer.alloc(10_000_000), 'mine.mp4', { type: 'video/mp4' });
    await expect(client.videos.edit({ prompt: 'x', video: file })).rejects.toMatchObject({
      status: 400,
      code: 'unsupported_input',
      message: expect.stringContaining('name a completed video') as string,
    });
    await expect(client.videos.remix(remix.id, { prompt: 'x' })).rejects.toMatchObject({
      status: 400,
      code: 'video_not_completed',
    });
    await expect(client.videos.remix('video_x', { prompt: 'x' })).rejects.toBeInstanceOf(NotFoundError);
    await expect(client.videos.remix(parent.id, { prompt: '' })).rejects.toBeInstanceOf(BadRequestError);
  },
);

function form(fields: Record<string, string>): { payload: string; headers: Record<string, string> } {
  const boundary = 'x-x-x';
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` };
  return { payload: `${parts.join('')}--${boundary}--\r\n`, headers };
}

test('both encodings are taken everywhere, and stand-ins say so', async () => {
  const { admin, finish } = shared();
  const { jobId: id } = await finish((await admin.create()).jobId);
  const cases = [
    [`/v1/videos/${id}/remix`, { prompt: 'x' }, { prompt: 'x' }],
    ['/v1/videos/edits', { prompt: 'x', video: { id } }, { prompt: 'x', 'video[id]': id }],
    [
      '/v1/videos/extensions',
      { prompt: 'x', seconds: 1, video: { id } },
      { prompt: 'x', seconds: '1', 'video[id]': id },
    ],
  ] as const;
  for (const [url, json, fields] of cases) {
    for (const sent of [{ payload: json }, form(fields as Record<string, string>)]) {
      const response = await admin.inject({ method: 'POST', url, ...sent });
      expect(response.statusCode, `${url} ${response.body}`).toBe(200);
      expect(response.headers['openai-poll-after-ms']).toBeDefined();
      expect(response.json()).toMatchObject({
        object: 'video',
        seconds: '1',
        remixed_from_video_id: id,
        derivation: {
          by: 'stand_in',
          parent_id: id,
          note: expect.stringContaining("Not the provider's own") as string,
        },
      });
    }
  }
  const tooLong = { prompt: 'x', seconds: '61', video: { id } };
  const refused = await admin.request('POST', '/v1/videos/extensions', tooLong);
  expect(refused.json()).toMatchObject({ error: { code: 'unsupported_duration', param: 'seconds' } });
});

test.each([
  ['/v1/videos/edits', { prompt: 'x' }, 'invalid_value', 'video'],
  ['/v1/videos/edits', { prompt: 'x', video: 'video_1' }, 'invalid_value', 'video'],
  ['/v1/videos/edits', { prompt: 'x', video: { id: 'video_x' } }, 'job_not_found', null],
  ['/v1/videos/edits', { prompt: 'x', video: { id: 'video_x' }, size: '1x1' }, 'unknown_parameter', 'size'],
  ['/v1/videos/extensions', { prompt: 'x', video: { id: 'video_x' } }, 'invalid_value', 'seconds'],
  [
    '/v1/videos/extensions',
    { prompt: 'x', seconds: 'long', video: { id: 'video_x' } },
    'invalid_value',
    'seconds',
  ],
  ['/v1/videos/video_x/remix', {}, 'invalid_value', 'prompt'],
  ['/v1/videos/characters', { name: 'me' }, 'operation_unsupported', null],
])('%s refuses %j', async (url, body, code, param) => {
  const response = await shared().admin.request('POST', url, body);
  expect([400, 404]).toContain(response.statusCode);
  expect(response.json()).toMatchObject({ error: { code, param, type: 'invalid_request_error' } });
});

test('characters are not offered, and said to be so', async () => {
  const response = await shared().admin.request('GET', '/v1/videos/characters/char_1');
  expect(response.statusCode).toBe(404);
  expect(response.json()).toMatchObject({ error: { message: 'Characters are not offered here.' } });
});
