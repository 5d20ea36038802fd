import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sha256 } from '../src/core/ids.ts';
import { hashOf } from '../src/storage/hash.ts';
import { openLocalStorage } from '../src/storage/local-storage.ts';
import { createS3Storage } from '../src/storage/s3-storage.ts';
import { temporaryFolder } from '../src/storage/storage-contract.ts';
import type { Storage } from '../src/storage/storage.ts';
import { noS3, useS3, whyNoS3 } from './start-s3.ts';

const SCRIPT = join(import.meta.dirname, '..', 'scripts', 'storage-move.ts');

function start(env: Record<string, string>, cwd: string, args: string[]) {
  return spawn(process.execPath, [SCRIPT, ...args], {
    cwd,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function run(env: Record<string, string>, cwd: string, args: string[]) {
  const child = start(env, cwd, args);
  const exit = once(child, 'close');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: (await exit)[0] as number | null, stdout, stderr };
}

/** Every object with its hash: what it comes down to. */
async function contentOf(storage: Storage): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { key } of storage.list('')) found[key] = (await hashOf(await storage.open(key))).sha256;
  return found;
}

test.each([
  [[], 'from must be local or s3'],
  [['--from', 'local', '--to', 'disk'], '--to must be local or s3'],
  [['--from', 's3', '--to', 's3'], 'two different'],
  [['--from', 'local', '--to', 's3', '--verify-only', '--delete-source'], 'one of'],
  [['--from', 'local', '--to', 's3', '--at-once', '0'], '1 to 64'],
  [['--form', 'local'], "'--form'"],
  [['--from', 'local', '--to', 's3', '--delete-source'], 'set STORAGE_PROVIDER=s3 and restart it first'],
])('wrong arguments are refused: %j', async (args, message) => {
  const { code, stdout, stderr } = await run({}, await temporaryFolder(), args);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain(message);
});

test('--help explains it, and s3 without a bucket is said', async () => {
  const folder = await temporaryFolder();
  expect(await run({}, folder, ['--help'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('--dry-run'),
  });
  const refused = await run({}, folder, ['--from', 'local', '--to', 's3']);
  expect(refused).toMatchObject({ code: 1, stderr: 'The storage s3 needs S3_BUCKET.\n' });
});

// Each run is a process of its own, which takes its time on a busy machine.
describe.skipIf(noS3)(`moving between local disk and S3${whyNoS3}`, { timeout: 120_000 }, () => {
  const s3 = useS3();

  async function prepare(files: Record<string, Buffer>) {
    const cwd = await temporaryFolder();
    const root = join(cwd, 'data', 'storage');
    for (const [key, content] of Object.entries(files)) {
      await mkdir(dirname(join(root, key)), { recursive: true });
      await writeFile(join(root, key), content);
    }
    const { options, settings } = s3();
    const bucket = createS3Storage(options());
    onTestFinished(() => bucket.close?.());
    const env = { ...settings(), STORAGE_PROVIDER: 'local' };
    const local = await openLocalStorage(root);
    const there = (...args: string[]) => run(env, cwd, ['--from', 'local', '--to', 's3', ...args]);
    const back = (...args: string[]) => run(env, cwd, ['--from', 's3', '--to', 'local', ...args]);
    return { cwd, root, env, local, bucket, there, back };
  }

  test('killed in the middle and run again, everything arrives once, and comes back the same', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 24 }, (_, index) => [`videos/a/${index}/video.mp4`, randomBytes(1000 + index)]),
    );
    files['videos/long/video.mp4'] = randomBytes(11 * 1024 ** 2);
    const { cwd, root, env, local, bucket, there, back } = await prepare(files);
    const before = await contentOf(local);

    const child = start(env, cwd, ['--from', 'local', '--to', 's3', '--at-once', '1']);
    const gone = once(child, 'exit');
    for await (const line of createInterface(child.stderr)) {
      if (!line.includes('seen')) continue;
      child.kill('SIGKILL');
      break;
    }
    await gone;
    const arrived = Object.keys(await contentOf(bucket)).length;
    expect(arrived).toBeGreaterThan(0);
    expect(arrived).toBeLessThan(25);

    const again = await there();
    expect(again, again.stderr).toMatchObject({ code: 0 });
    const [, copied, alike] = (
      /^(\d+) copied .*, (\d+) the same in s3 already, 0 failed/.exec(again.stdout) ?? []
    ).map(Number);
    expect([copied, alike]).toEqual([25 - arrived, arrived]);
    expect(await contentOf(bucket)).toEqual(before);
    expect(await contentOf(local)).toEqual(before);
    expect(await there()).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('0 copied (0.0 MB), 25 the same'),
    });

    // Gone from the disk, and back again.
    for (const key of Object.keys(before)) await local.remove(key);
    const returned = await back('--delete-source');
    expect(returned, returned.stderr).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('25 removed from s3'),
    });
    expect(await contentOf(await openLocalStorage(root))).toEqual(before);
    expect(await contentOf(bucket)).toEqual({});
  });

  test('a look changes nothing, and a check finds what is missing or differs', async () => {
    const { local, bucket, there, cwd } = await prepare({
      'a.png': Buffer.from('one'),
      b: Buffer.from('two'),
    });
    expect(await there('--dry-run')).toMatchObject({ code: 0, stdout: expect.stringContaining('2 to copy') });
    expect(await contentOf(bucket)).toEqual({});
    expect(await there('--verify-only')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('b: the copy is missing'),
    });
    expect((await there()).code).toBe(0);
    expect(await there('--verify-only')).toMatchObject({ code: 0, stdout: '2 the same in s3, 0 failed\n' });
    const other = join(cwd, 'other');
    await writeFile(other, 'TWO');
    await bucket.putFile('b', other, { contentType: 'text/plain' });
    expect(await there('--verify-only')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('b: the copy differs'),
    });
    expect(await there()).toMatchObject({ code: 0, stdout: expect.stringContaining('1 copied') });
    expect(await contentOf(bucket)).toEqual(await contentOf(local));
    expect(await readdir(join(cwd, 'data', 'tmp'))).toEqual([]);
  });

  test('the source is removed only once the bytes of the copy are the same, whatever hash the store noted', async () => {
    const { local, bucket, cwd, env } = await prepare({
      good: Buffer.from('good'),
      bad: Buffer.from('fine'),
    });
    // Spoilt in the store: the note says what it was, the bytes are others.
    const place = { Bucket: env.S3_BUCKET, Key: `${env.S3_PREFIX}/bad` };
    const spoilt = { Body: 'evil', Metadata: { sha256: sha256('fine') } };
    await s3().client.send(new PutObjectCommand({ ...place, ...spoilt }));
    const before = await contentOf(local);
    const args = ['--from', 'local', '--to', 's3', '--delete-source'];
    const result = await run({ ...env, STORAGE_PROVIDER: 's3' }, cwd, args);
    expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining('2 copied') });
    expect(await contentOf(bucket)).toEqual(before);
    expect(await contentOf(local)).toEqual({});
  });
});
