import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../core/clock.ts';
import { sha256 } from '../core/ids.ts';
import { Secret } from '../core/secret.ts';
import { silentLog } from '../database/silent-log.ts';
import { openStorage } from './open-storage.ts';
import type { S3Options } from './s3-client.ts';
import { createS3Storage } from './s3-storage.ts';
import { temporaryFolder } from './storage-contract.ts';
import { collect, type Storage } from './storage.ts';

/** More than two parts, so that one is in the middle. */
const LONG = 12 * 1024 ** 2;

const start = (s3: S3Options) =>
  openStorage(
    { provider: 's3', folder: '', s3, linkSeconds: undefined },
    { log: silentLog, clock: systemClock },
  );

/** A store that answers as a test wants it to. */
async function answering(
  answer: Parameters<typeof createServer>[1],
): Promise<{ storage: Storage; options: S3Options }> {
  const server = createServer(answer as never);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  const credentials = {
    accessKeyId: new Secret('id'),
    secretAccessKey: new Secret('do-not-show'),
    sessionToken: undefined,
  };
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = { endpoint, bucket: 'bucket', region: 'us-east-1', prefix: '', credentials };
  const storage = createS3Storage(options);
  onTestFinished(() => {
    storage.close?.();
    server.closeAllConnections();
  });
  return { storage, options };
}

test('each part is signed over its bytes, which every store checks, and carries nothing that some do not know', async () => {
  const seen: {
    method: string | undefined;
    headers: NodeJS.Dict<string | string[]>;
    sha256: string;
    url: string;
  }[] = [];
  const { storage } = await answering((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const url = request.url ?? '';
      seen.push({
        method: request.method,
        headers: request.headers,
        sha256: sha256(Buffer.concat(chunks)),
        url,
      });
      if (url.includes('uploads')) response.end('<R><UploadId>u</UploadId></R>');
      else if (request.method === 'HEAD')
        response.writeHead(200, { 'content-length': LONG, 'x-amz-meta-sha256': whole }).end();
      else
        response
          .writeHead(200, { etag: '"e"' })
          .end(request.method === 'POST' ? '<R><ETag>e</ETag></R>' : '');
    });
  });
  const file = join(await temporaryFolder(), 'file');
  const content = randomBytes(LONG);
  const whole = sha256(content);
  await writeFile(file, content);
  await storage.putFile('k', file, { contentType: 'video/mp4' });
  const parts = seen.filter(({ method }) => method === 'PUT');
  expect(parts).toHaveLength(3);
  for (const part of parts) expect(part.headers['x-amz-content-sha256']).toBe(part.sha256);
  for (const { headers } of seen) {
    expect(Object.keys(headers).filter((name) => /checksum|trailer|decoded/.test(name))).toEqual([]);
    expect(headers['content-encoding'] ?? '').not.toContain('aws-chunked');
    expect(JSON.stringify(headers)).not.toContain('do-not-show');
  }
});

test('an upload that is aborted in the middle has removed its parts when it says so', async () => {
  const stopping = new AbortController();
  const calls: string[] = [];
  const { storage } = await answering((request, response) => {
    const call = `${request.method} ${request.url?.replace(/.*\?/, '').replace(/&x-id=.*|partNumber=\d+&/, '')}`;
    request.resume().on('end', () => {
      if (request.method === 'PUT') stopping.abort();
      if (request.method === 'DELETE') response.statusCode = 204;
      calls.push(call);
      response.setHeader('etag', '"e"');
      response.end(call.includes('uploads') ? '<R><UploadId>u</UploadId></R>' : '');
    });
  });
  const file = join(await temporaryFolder(), 'file');
  await writeFile(file, Buffer.alloc(8 * LONG));
  const put = storage.putFile('k', file, { contentType: 'video/mp4', sha256: 'x', signal: stopping.signal });
  await expect(put).rejects.toThrow('aborted');
  expect(calls[0]).toMatch(/^POST uploads/);
  expect(calls.at(-1)).toMatch(/^DELETE .*uploadId=u/);
  // Those under way, not all 20 of them; and no completion.
  expect(calls.filter((call) => call.startsWith('PUT')).length).toBeLessThan(8);
  expect(calls.filter((call) => call.startsWith('POST'))).toHaveLength(1);
  expect(await readFile(file)).toHaveLength(8 * LONG);
});

test('a download that breaks off goes on where it was, and ends when nothing more comes', async () => {
  const content = Buffer.from('0123456789');
  const ranges: (string | undefined)[] = [];
  const { storage } = await answering((request, response) => {
    const { range } = request.headers;
    ranges.push(range);
    const start = Number(/\d+/.exec(range ?? '0')?.[0]);
    response.writeHead(206, { 'content-length': content.length - start });
    // Four bytes at a time, then the connection is gone; from the second key nothing comes at all.
    const sent = request.url?.includes('dead') ? Buffer.alloc(0) : content.subarray(start, start + 4);
    if (sent.length === content.length - start) response.end(sent);
    else response.write(sent, () => setImmediate(() => response.destroy()));
    response.flushHeaders();
  });
  expect((await collect(await storage.open('k', { start: 0, end: 9 }))).toString()).toBe('0123456789');
  expect(ranges).toEqual(['bytes=0-9', 'bytes=4-9', 'bytes=8-9']);
  await expect(storage.open('dead').then(collect)).rejects.toThrow('aborted');
});

test('leaving a download early closes its connection', async () => {
  const closed = Promise.withResolvers<void>();
  const { storage } = await answering((_request, response) => {
    response.on('close', () => closed.resolve());
    response.writeHead(200, { 'content-length': 1024 ** 3 }).write(Buffer.alloc(65_536));
  });
  for await (const chunk of await storage.open('k')) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  await closed.promise;
});

test.each([
  ['access is denied', 403, {}, 'access is denied. Check the credentials'],
  [
    'another region',
    301,
    { 'x-amz-bucket-region': 'eu-west-1' },
    'it is in eu-west-1. Set S3_REGION=eu-west-1',
  ],
  ['an error of its own', 501, {}, 'the store answers with 501'],
])('the start says what is wrong with the store: %s', async (_name, status, headers, message) => {
  const { options } = await answering((_request, response) => response.writeHead(status, headers).end());
  const error: unknown = await start(options).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'StorageStartError', message: expect.stringContaining(message) });
  expect((error as Error).message).not.toContain('do-not-show');
});

test('the start says when nothing answers at the endpoint', async () => {
  const { options } = await answering(() => {});
  const endpoint = 'http://127.0.0.1:1';
  await expect(start({ ...options, endpoint })).rejects.toThrow(/does not answer \(ECONNREFUSED\)/);
});
