import { request as httpRequest } from 'node:http';
import type { FastifyInstance } from 'fastify';
import OpenAI, { toFile } from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../core/secret.ts';
import { createTestClock, fakeClip, fakeRender, temporaryFolder, type TestClock } from '../testing.ts';
import { createSimulatorServer, type SimulatorServerOptions } from './server.ts';
import { WIRE_DIALECTS } from './wire.ts';

const HOUR = 3_600_000;

describe('the simulator server', () => {
  let clock: TestClock;
  let folder: ReturnType<typeof temporaryFolder>;
  let server: FastifyInstance;

  async function start(options: Partial<SimulatorServerOptions> = {}): Promise<FastifyInstance> {
    return await createSimulatorServer({
      clock,
      speed: 1,
      render: fakeRender,
      cacheDir: folder.dir,
      ...options,
    });
  }
  beforeEach(async () => {
    clock = createTestClock();
    folder = temporaryFolder();
    server = await start();
  });
  afterEach(async () => {
    await server.close();
    folder.remove();
  });

  type Answer = { id: string } & Record<string, unknown>;

  async function create(body: object, headers: Record<string, string> = {}) {
    return await server.inject({ method: 'POST', url: '/v1/videos', payload: body, headers });
  }

  async function created(body: object, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await create(body, headers);
    expect(answer.statusCode).toBe(200);
    return answer.json<Answer>();
  }

  it('works with the official client, from create to download', async () => {
    const address = await server.listen({ port: 0, host: '127.0.0.1' });
    const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: 'any', maxRetries: 0 });
    const png = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(100)]);
    const reference = await toFile(png, 'a.png', { type: 'image/png' });
    const video = await client.videos.create({ prompt: 'a boat', seconds: '8', input_reference: reference });
    expect(video).toMatchObject({
      object: 'video',
      status: 'queued',
      model: 'sora-2',
      seconds: '8',
      size: '720x1280',
    });
    clock.advance(HOUR);
    const done = await client.videos.retrieve(video.id);
    expect(done).toMatchObject({ status: 'completed', progress: 100, error: null });
    const content = await client.videos.downloadContent(video.id);
    const bytes = Buffer.from(await content.arrayBuffer());
    expect(bytes.equals(fakeClip({ prompt: 'a boat', seconds: 8, width: 720, height: 1280 }))).toBe(true);
    await expect(client.videos.downloadContent(video.id, { variant: 'thumbnail' })).rejects.toThrow('404');
    const ids: string[] = [];
    for await (const each of client.videos.list({ limit: 1 })) ids.push(each.id);
    expect(ids).toEqual([video.id]);
    expect(await client.videos.delete(video.id)).toEqual({
      id: video.id,
      object: 'video.deleted',
      deleted: true,
    });
    await expect(client.videos.retrieve(video.id)).rejects.toMatchObject({ status: 404 });
  });

  const post = async (url: string, payload: object) =>
    await server.inject({ method: 'POST', url: `/v1/videos${url}`, payload });

  it('remixes, edits and extends finished videos', async () => {
    const { id } = await created({ prompt: 'a boat', size: '1280x720', seconds: '8' });
    clock.advance(HOUR);
    const cases = [
      [`/${id}/remix`, { prompt: 'x' }, '8'],
      ['/edits', { prompt: 'x', video: { id } }, '8'],
      ['/extensions', { prompt: 'x', seconds: '4', video: { id } }, '12'],
    ] as const;
    for (const [url, body, seconds] of cases) {
      const answer = await post(url, body);
      expect(answer.json()).toMatchObject({
        status: 'queued',
        prompt: 'x',
        model: 'sora-2',
        size: '1280x720',
        seconds,
        remixed_from_video_id: id,
      });
      clock.advance(HOUR);
      const made = await server.inject(`/v1/videos/${answer.json<Answer>().id}/content`);
      const clip = { prompt: 'x', width: 1280, height: 720, seconds: Number(seconds) };
      expect(made.rawPayload.equals(fakeClip(clip))).toBe(true);
    }
    const ledger = (await server.inject('/ledger')).json<object>();
    expect(ledger).toMatchObject({ created: 4, derived: { remix: 1, edit: 1, extend: 1 } });
  });

  it('refuses operations on what is not there, not finished, or too long', async () => {
    const { id } = await created({ prompt: 'a boat' });
    expect((await post('/video_x/remix', { prompt: 'x' })).statusCode).toBe(404);
    expect((await post(`/${id}/remix`, { prompt: 'x' })).json()).toMatchObject({
      error: { code: 'video_not_completed' },
    });
    clock.advance(HOUR);
    for (const [url, body, param] of [
      [`/${id}/remix`, {}, 'prompt'],
      ['/edits', { prompt: 'x' }, 'video'],
      ['/extensions', { prompt: 'x', video: { id } }, 'seconds'],
      ['/extensions', { prompt: 'x', video: { id }, seconds: '5' }, 'seconds'],
    ] as const) {
      const answer = await post(url, body);
      expect([answer.statusCode, answer.json<{ error: { param: string } }>().error.param]).toEqual([
        400,
        param,
      ]);
    }
    let longest = id;
    for (let seconds = 4; seconds < 104; seconds += 20) {
      const answer = await post('/extensions', { prompt: 'x', seconds: '20', video: { id: longest } });
      longest = answer.json<Answer>().id;
      clock.advance(HOUR);
    }
    const tooLong = await post('/extensions', { prompt: 'x', seconds: '20', video: { id: longest } });
    expect(tooLong.json()).toMatchObject({ error: { message: expect.stringContaining('120') as string } });
  });

  it.each(['vllm-omni', 'sglang'] as const)('has no operations as %s', async (name) => {
    server = await start({ dialect: WIRE_DIALECTS[name] });
    expect((await post('/edits', { prompt: 'x', video: { id: 'y' } })).statusCode).toBe(404);
  });

  it('gives one video per idempotency key, and refuses the key for something else', async () => {
    const key = { 'idempotency-key': 'k1' };
    const first = await created({ prompt: 'a' }, key);
    expect((await created({ prompt: 'a' }, key)).id).toBe(first.id);
    expect((await create({ prompt: 'b' }, key)).json()).toMatchObject({
      error: { code: 'idempotency_mismatch' },
    });
    expect((await server.inject('/ledger')).json()).toMatchObject({
      created: 1,
      replays: 1,
      duplicates: 0,
      creations: [{ idempotencyKey: 'k1', prompt: 'a', replays: 1 }],
    });
  });

  it('counts what is made twice where the key is ignored', async () => {
    server = await start({ dialect: WIRE_DIALECTS.openai });
    for (const _ of [1, 2]) await created({ prompt: 'a' }, { 'idempotency-key': 'k1' });
    expect((await server.inject('/ledger')).json()).toMatchObject({ created: 2, duplicates: 1 });
  });

  it.each([
    [{}, 'prompt'],
    [{ prompt: '' }, 'prompt'],
    [{ prompt: 'x', model: 'gpt-4' }, 'model'],
    [{ prompt: 'x', seconds: '5' }, 'seconds'],
    [{ prompt: 'x', seconds: 4.5 }, 'seconds'],
    [{ prompt: 'x', size: '1920x1080' }, 'size'],
    [{ prompt: 'x', size: 'big' }, 'size'],
    [{ prompt: 'x', model: 'simulator', seconds: '61' }, 'seconds'],
    [{ prompt: 'x', model: 'simulator', size: '65x64' }, 'size'],
    [{ prompt: 'x', input_reference: { file_id: 'f' } }, 'input_reference'],
  ])('refuses %j', async (body, param) => {
    const answer = await create(body);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ error: { type: 'invalid_request_error', param } });
    expect(answer.headers['x-request-id']).toMatch(/^req_/);
  });

  it('says which values are allowed', async () => {
    expect(
      (await create({ prompt: 'x', seconds: '5' })).json<{ error: { message: string } }>().error.message,
    ).toBe("Invalid value: '5'. seconds must be one of '4', '8', '12', '16', '20'.");
  });

  it('lists in pages, both ways', async () => {
    const ids: string[] = [];
    for (const prompt of ['a', 'b', 'c']) ids.push((await created({ prompt })).id);
    const [a, b, c] = ids;
    const page = async (query: string) => (await server.inject(`/v1/videos?${query}`)).json<Answer>();
    const first = await page('limit=2');
    expect(first).toMatchObject({ first_id: c, last_id: b, has_more: true });
    expect(await page(`limit=2&after=${b}`)).toMatchObject({ first_id: a, last_id: a, has_more: false });
    expect(await page('order=asc&limit=1')).toMatchObject({ first_id: a, has_more: true });
    for (const bad of ['limit=101', 'limit=x', 'order=up', 'after=nobody']) {
      expect((await server.inject(`/v1/videos?${bad}`)).statusCode).toBe(400);
    }
  });

  it('serves ranges', async () => {
    const { id } = await created({ prompt: 'a' });
    const url = `/v1/videos/${id}/content`;
    expect((await server.inject(url)).statusCode).toBe(404);
    clock.advance(HOUR);
    const whole = (await server.inject(url)).rawPayload;
    const range = (header: string) => server.inject({ url, headers: { range: header } });
    const middle = await range('bytes=10-19');
    expect(middle.statusCode).toBe(206);
    expect(middle.headers['content-range']).toBe(`bytes 10-19/${whole.length}`);
    expect(middle.rawPayload.equals(whole.subarray(10, 20))).toBe(true);
    expect((await range('bytes=-5')).rawPayload.equals(whole.subarray(-5))).toBe(true);
    expect((await range(`bytes=${whole.length}-`)).statusCode).toBe(416);
    expect((await range('bytes=5-1')).statusCode).toBe(200);
  });

  it('breaks off a truncated download although it promised all of it', async () => {
    const address = await server.listen({ port: 0, host: '127.0.0.1' });
    const { id } = await created({ prompt: '[sim:truncated]' });
    clock.advance(HOUR);
    const { promised, got } = await new Promise<{ promised: number; got: number }>((resolve) => {
      httpRequest(`${address}/v1/videos/${id}/content`, (response) => {
        let got = 0;
        const end = () => resolve({ promised: Number(response.headers['content-length']), got });
        response
          .on('data', (chunk: Buffer) => void (got += chunk.length))
          .on('error', end)
          .on('end', end);
      }).end();
    });
    expect(got).toBeLessThanOrEqual(promised / 2);
  });

  it('asks for its key, everywhere but on /health', async () => {
    server = await start({ apiKey: new Secret('secret') });
    expect((await server.inject('/health')).statusCode).toBe(200);
    for (const url of ['/v1/models', '/v1/videos', '/ledger', '/v1/videos/x', '/nowhere']) {
      const answer = await server.inject({ url, headers: { authorization: 'Bearer wrong' } });
      expect(answer.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
    }
    const headers = { authorization: 'Bearer secret' };
    expect((await server.inject({ url: '/v1/models', headers })).statusCode).toBe(200);
  });

  it('answers an unknown path and broken JSON in the envelope', async () => {
    expect((await server.inject('/v2/videos?x=1')).json()).toMatchObject({
      error: { message: 'Unknown request URL: GET /v2/videos.' },
    });
    const headers = { 'content-type': 'application/json' };
    const broken = await server.inject({ method: 'POST', url: '/v1/videos', payload: '{', headers });
    expect([broken.statusCode, broken.json()]).toMatchObject([
      400,
      { error: { type: 'invalid_request_error' } },
    ]);
  });

  it('tells when to look again, and shows a status nobody knows when asked to', async () => {
    const { id } = await created({ prompt: '[sim:unknown-status]' });
    clock.advance(3000);
    const answer = await server.inject(`/v1/videos/${id}`);
    expect(answer.json()).toMatchObject({ status: 'warming_up' });
    expect(answer.headers['openai-poll-after-ms']).toBe('1000');
  });

  it('remembers a bounded number of videos', async () => {
    server = await start({ maxVideos: 2 });
    const ids: string[] = [];
    for (const prompt of ['a', 'b', 'c'])
      ids.push((await created({ prompt }, { 'idempotency-key': prompt })).id);
    expect((await server.inject(`/v1/videos/${ids[0]}`)).statusCode).toBe(404);
    expect((await server.inject('/ledger')).json<{ creations: unknown[] }>().creations).toHaveLength(2);
    expect((await server.inject('/ledger')).json()).toMatchObject({ created: 3 });
  });

  it('throttles with a Retry-After', async () => {
    const answer = await create({ prompt: '[sim:429]' });
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([429, '1']);
  });

  it('says 500 in the envelope, and why only to its owner, when rendering fails', async () => {
    const told: unknown[] = [];
    const render = () => Promise.reject(new Error('no encoder'));
    server = await start({ speed: 0, render, onError: (error) => told.push(error) });
    const { id } = await created({ prompt: 'a' });
    const answer = await server.inject(`/v1/videos/${id}/content`);
    expect([answer.statusCode, answer.json()]).toMatchObject([500, { error: { code: 'server_error' } }]);
    expect(answer.body).not.toContain('encoder');
    expect(told).toHaveLength(1);
  });
});
