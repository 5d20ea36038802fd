import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { S3Options } from '../src/storage/s3-client.ts';
import { createS3Storage } from '../src/storage/s3-storage.ts';
import { createTestApp, SMALL, type TestApp } from './create-test-app.ts';
import { noS3, useS3, whyNoS3 } from './start-s3.ts';

describe.skipIf(noS3)(`downloads with files in S3${whyNoS3}`, () => {
  const s3 = useS3();

  async function finished(
    env: Record<string, string>,
  ): Promise<{ app: TestApp; path: string; openAi: string }> {
    const app = await createTestApp({ ...s3().settings(), ...env });
    const { jobId } = await app.admin.create(SMALL);
    expect((await app.finish(jobId)).status).toBe('completed');
    return { app, path: `/api/v1/videos/${jobId}/content`, openAi: `/v1/videos/${jobId}/content` };
  }

  async function keysIn({ options }: { options: S3Options }): Promise<string[]> {
    const storage = createS3Storage(options);
    const keys: string[] = [];
    for await (const { key } of storage.list('')) keys.push(key);
    storage.close?.();
    return keys;
  }

  test('a video is made, kept in the bucket, streamed by us in whole and in part, and removed', async () => {
    const shared = s3();
    const store = { settings: shared.settings(), options: shared.options() };
    const app = await createTestApp(store.settings);
    const { jobId } = await app.admin.create(SMALL);
    await app.finish(jobId);
    const path = `/api/v1/videos/${jobId}/content`;
    const whole = await app.admin.request('GET', path);
    expect(whole.statusCode).toBe(200);
    expect(whole.rawPayload.subarray(4, 8).toString()).toBe('ftyp');
    expect((await keysIn(store)).map((key) => key.replace(/.*\//, ''))).toContain('video.mp4');
    const part = await app.admin.inject({ url: path, headers: { range: 'bytes=4-7' } });
    expect([part.statusCode, part.body]).toEqual([206, 'ftyp']);
    expect((await app.admin.request('GET', '/ready')).json()).toMatchObject({
      checks: { storage: { ok: true } },
    });
    expect((await app.admin.request('DELETE', `/api/v1/videos/${jobId}?purge=true`)).statusCode).toBe(200);
    expect((await app.admin.request('GET', path)).statusCode).toBe(404);
    expect(await keysIn(store)).toEqual([]);
  });

  test('a store that has gone is said so, and clients may ask again', async () => {
    const settings = s3().settings();
    const door = createServer().listen(0, '127.0.0.1');
    await once(door, 'listening');
    const { port } = door.address() as AddressInfo;
    const store = new URL(settings['S3_ENDPOINT'] ?? '');
    const connections = new Set<Socket>();
    door.on('connection', (near) => {
      const far = connect(Number(store.port), store.hostname);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const)
        from.pipe(to).on('error', () => from.destroy());
      connections.add(near);
    });
    const app = await createTestApp({ ...settings, S3_ENDPOINT: `http://127.0.0.1:${port}` });
    const { jobId } = await app.admin.create(SMALL);
    await app.finish(jobId);
    door.close();
    for (const connection of connections) connection.destroy();
    for (const path of [`/api/v1/videos/${jobId}/content`, `/v1/videos/${jobId}/content`]) {
      const response = await app.admin.request('GET', path);
      expect([response.statusCode, response.headers['retry-after']], path).toEqual([503, '10']);
      expect(response.body).not.toContain('127.0.0.1');
    }
  });

  test('links: a download is sent to the store with a signed link, in both APIs', async () => {
    const { app, path, openAi } = await finished({ S3_DOWNLOADS: 'links', S3_LINK_SECONDS: '60' });
    const head = await app.admin.inject({ method: 'HEAD', url: path });
    for (const url of [path, `${path}?download=true`, openAi, `${openAi}?variant=thumbnail`]) {
      const response = await app.admin.request('GET', url);
      expect(response.statusCode, url).toBe(302);
      expect(response.headers['cache-control']).toBe('no-store');
      expect(response.headers['etag']).toBeUndefined();
      const link = new URL(String(response.headers['location']));
      expect(link.searchParams.get('X-Amz-Expires')).toBe('60');
      expect(link.searchParams.get('response-content-disposition')).toMatch(
        url.includes('download') ? /^attachment; filename="video_/ : /^inline; filename="video_/,
      );
      const file = await fetch(link);
      expect(file.status).toBe(200);
      expect(file.headers.get('content-type')).toContain(
        url.includes('thumbnail') ? 'image/webp' : 'video/mp4',
      );
      if (url === path)
        expect(String((await file.arrayBuffer()).byteLength)).toBe(head.headers['content-length']);
    }
  });

  test('links: HEAD, conditions and wrong ranges are answered by us, and others see nothing', async () => {
    const { app, path } = await finished({ S3_DOWNLOADS: 'links' });
    const head = await app.admin.inject({ method: 'HEAD', url: path });
    expect(head.statusCode).toBe(200);
    const etag = String(head.headers['etag']);
    const get = (headers: Record<string, string>) => app.admin.inject({ url: path, headers });
    expect((await get({ 'if-none-match': etag })).statusCode).toBe(304);
    expect((await get({ 'if-none-match': '"other"' })).statusCode).toBe(200);
    expect((await get({ 'if-range': etag, range: 'bytes=4-7' })).body).toBe('ftyp');
    expect((await get({ range: 'bytes=999999999-' })).statusCode).toBe(416);
    expect((await get({ range: 'bytes=0-3' })).statusCode).toBe(302);
    expect((await (await app.user()).request('GET', path)).statusCode).toBe(404);
  });
});
