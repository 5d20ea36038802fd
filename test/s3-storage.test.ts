import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HeadObjectCommand, ListMultipartUploadsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../src/core/clock.ts';
import { sha256 } from '../src/core/ids.ts';
import { silentLog } from '../src/database/silent-log.ts';
import { hashOf } from '../src/storage/hash.ts';
import { openStorage } from '../src/storage/open-storage.ts';
import type { S3Options } from '../src/storage/s3-client.ts';
import { createS3Storage } from '../src/storage/s3-storage.ts';
import { describeStorage, temporaryFolder } from '../src/storage/storage-contract.ts';
import { noS3, PAGE, useS3, whyNoS3 } from './start-s3.ts';

/** More than two parts, so that one is in the middle. */
const LONG = 12 * 1024 ** 2;

describe.skipIf(noS3)(`S3${whyNoS3}`, () => {
  const s3 = useS3();

  function open(changes: Partial<S3Options> = {}) {
    const { options, client } = s3();
    const full = { ...options(), ...changes };
    const storage = createS3Storage(full);
    onTestFinished(() => storage.close?.());
    return {
      storage,
      client,
      options: full,
      at: (key: string) => ({ Bucket: full.bucket, Key: `${full.prefix}/${key}` }),
    };
  }

  const unfinished = async ({ client, options }: ReturnType<typeof open>) =>
    (await client.send(new ListMultipartUploadsCommand({ Bucket: options.bucket, Prefix: options.prefix })))
      .Uploads ?? [];

  describeStorage('S3 storage', async () => ({ storage: open().storage, inbox: await temporaryFolder() }));

  test('a long file goes up in parts, comes back as it was, and its hash stays with it', async () => {
    const { storage, client, at } = open();
    const file = join(await temporaryFolder(), 'file');
    const content = randomBytes(LONG);
    await writeFile(file, content);
    await storage.putFile('videos/long.mp4', file, {
      contentType: 'video/mp4',
      sizeBytes: LONG,
      sha256: sha256(content),
    });
    expect(await hashOf(await storage.open('videos/long.mp4'))).toEqual({
      sizeBytes: LONG,
      sha256: sha256(content),
    });
    const head = await client.send(new HeadObjectCommand(at('videos/long.mp4')));
    expect(head).toMatchObject({
      ContentLength: LONG,
      ContentType: 'video/mp4',
      Metadata: { sha256: sha256(content) },
    });
    expect(head.ETag).toContain('-3"');
    expect(await storage.notedHash?.('videos/long.mp4')).toBe(sha256(content));
    expect(await storage.notedHash?.('nothing')).toBeUndefined();
    await expect(readFile(file)).rejects.toThrow('ENOENT');
  });

  test('a file with other bytes than announced leaves no object, no parts and the file where it was', async () => {
    const opened = open();
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, Buffer.alloc(LONG, 'x'));
    const options = { contentType: 'video/mp4', sha256: sha256('something else') };
    await expect(opened.storage.putFile('k', file, options)).rejects.toThrow(
      'not the one that was announced',
    );
    expect(await opened.storage.size('k')).toBeUndefined();
    expect(await unfinished(opened)).toEqual([]);
    expect(await readFile(file)).toHaveLength(LONG);
  });

  test('what a killed upload left behind is removed, and nobody else’s', async () => {
    const [mine, other] = [open(), open()];
    for (const { client, at } of [mine, other]) await client.send(new CreateMultipartUploadCommand(at('k')));
    expect(await mine.storage.removeUnfinished?.(new Date(Date.now() + 60_000))).toBe(1);
    expect(await unfinished(mine)).toEqual([]);
    expect(await unfinished(other)).toHaveLength(1);
    expect(await mine.storage.removeUnfinished?.(new Date(0))).toBe(0);
  });

  test('lists page by page, and only its own keys', async () => {
    const { storage, client, at } = open();
    const names = Array.from({ length: 3 * PAGE }, (_, index) => `list/${index}`);
    await Promise.all(names.map((name) => client.send(new PutObjectCommand({ ...at(name), Body: 'x' }))));
    await client.send(new PutObjectCommand({ ...at('not a key'), Body: 'x' }));
    const found = new Set<string>();
    for await (const { key } of storage.list('')) found.add(key);
    expect(found).toEqual(new Set(names));
  });

  test('a link gives the object for a while, under the name and type it should have', async () => {
    const { storage } = open();
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, 'hello world');
    await storage.putFile('videos/a.mp4', file, { contentType: 'application/octet-stream' });
    const options = { filename: 'boat.mp4', contentType: 'video/mp4', attachment: true, expiresSeconds: 300 };
    const link = (await storage.link?.('videos/a.mp4', options)) ?? '';
    expect(new URL(link).searchParams.get('X-Amz-Expires')).toBe('300');
    const response = await fetch(link, { headers: { range: 'bytes=0-4' } });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-type')).toContain('video/mp4');
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="boat.mp4"');
    expect(await response.text()).toBe('hello');
  });

  test('a bucket that is not there stops the start with what to do', async () => {
    const { options } = open({ bucket: 'not-there' });
    await expect(start(options)).rejects.toThrow(
      /not-there at http:.* cannot be used: it is not there. Create it/,
    );
    await expect(open({ bucket: 'not-there' }).storage.open('k')).rejects.not.toMatchObject({
      code: 'content_not_found',
    });
  });

  test('a store that is there is opened', async () => {
    await expect((await start(open().options)).check()).resolves.toBeUndefined();
  });
});

const start = (s3: S3Options) =>
  openStorage(
    { provider: 's3', folder: '', s3, linkSeconds: undefined },
    { log: silentLog, clock: systemClock },
  );
