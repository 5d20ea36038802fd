import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { OutputStream, Provider } from '../providers/provider.ts';
import { createTestClock, temporaryFolder, type TestClock } from '../providers/testing.ts';
import { download } from './download.ts';
import { openRun, removeAbandoned } from './partial-files.ts';

const FIRST = Buffer.from('the first file, as long as the other');
const OTHER = Buffer.from('THE OTHER FILE, AS LONG AS THE FIRST');
const HALF = Math.floor(FIRST.length / 2);

let folder: ReturnType<typeof temporaryFolder>;
let clock: TestClock;
beforeEach(() => {
  folder = temporaryFolder();
  clock = createTestClock();
});
afterEach(() => folder.remove());

interface Given {
  file?: Buffer;
  etag?: string;
  lastModified?: string;
  /** Whether it honours an offset. */
  resumes?: boolean;
  /** Breaks off after so many bytes. */
  cutAt?: number;
  totalBytes?: number | undefined;
}

/** A provider that gives these files in order; notes from where it was asked, and for which tag. */
function giving(...files: Given[]) {
  const asked: [offset: number, ifRange: string | undefined][] = [];
  const provider = {
    open(_operation, _variant, offset, { ifRange }) {
      asked.push([offset, ifRange]);
      const { file = FIRST, resumes = true, cutAt, ...told } = files.shift() ?? {};
      const start = resumes ? offset : 0;
      const body = Readable.from(
        (async function* () {
          yield file.subarray(start, cutAt);
          if (cutAt !== undefined) throw new Error('broke off');
        })(),
      );
      const output: OutputStream = {
        body,
        contentType: 'video/mp4',
        offset: start,
        totalBytes: file.length,
        ...told,
      };
      return Promise.resolve(output);
    },
  } as Partial<Provider> as Provider;
  return { provider, asked };
}

/** One try that breaks off in the middle of the first file, and a second one. */
async function twice(first: Given, ...second: Given[]) {
  const { provider, asked } = giving({ ...first, cutAt: HALF }, ...second);
  const files = { part: join(folder.dir, 'x.part'), note: join(folder.dir, 'x.part.json') };
  const run = () => download(provider, null, files, { clock, signal: new AbortController().signal });
  await expect(run()).rejects.toThrow('broke off');
  await run();
  return { file: (await readFile(files.part)).toString(), asked };
}

describe('a download that broke off', () => {
  it('goes on where it was, for a file that a strong tag names', async () => {
    const { file, asked } = await twice({ etag: '"a"' }, { etag: '"a"' });
    expect([file, asked[1]]).toEqual([FIRST.toString(), [HALF, '"a"']]);
  });

  it.each<[string, Given]>([
    ['no tag', {}],
    ['a weak tag', { etag: 'W/"a"' }],
    ['only a time', { lastModified: 'Fri, 27 Nov 2026 10:00:00 GMT' }],
  ])('begins again where the upstream gives %s', async (_what, given) => {
    const { file, asked } = await twice(given, { ...given, file: OTHER });
    expect([file, asked[1]?.[0]]).toEqual([OTHER.toString(), 0]);
  });

  it.each<[string, Given]>([
    ['another tag', { etag: '"b"' }],
    ['no tag any more', {}],
    ['a tag that has become weak', { etag: 'W/"a"' }],
    ['another total length', { etag: '"a"', totalBytes: 99 }],
    ['another time', { etag: '"a"', lastModified: 'Fri, 27 Nov 2026 11:00:00 GMT' }],
  ])('is never joined with a part that comes with %s', async (_what, given) => {
    const first = { etag: '"a"', lastModified: 'Fri, 27 Nov 2026 10:00:00 GMT' };
    const { file, asked } = await twice(first, { file: OTHER, ...given }, { file: OTHER, etag: '"b"' });
    expect(file).toBe(OTHER.toString());
    expect(asked.map(([offset]) => offset)).toEqual([0, HALF, 0]);
  });

  it('begins again where the upstream cannot resume', async () => {
    const { file } = await twice({ etag: '"a"' }, { file: OTHER, etag: '"b"', resumes: false });
    expect(file).toBe(OTHER.toString());
  });

  it('is taken over by the next run with what is known of its file, and only with that', async () => {
    const { provider, asked } = giving({ etag: '"a"', cutAt: HALF }, { etag: '"a"' });
    const signal = new AbortController().signal;
    const first = await openRun(folder.dir, 'video_1');
    await expect(download(provider, null, first, { clock, signal })).rejects.toThrow('broke off');
    const second = await openRun(folder.dir, 'video_1');
    await download(provider, null, second, { clock, signal });
    expect(asked[1]).toEqual([HALF, '"a"']);
    await rm(second.note);
    const third = await openRun(folder.dir, 'video_1');
    await expect(readFile(third.part)).rejects.toThrow('ENOENT');
  });
});

describe('a download without a sound', () => {
  async function silentAfter(chunks: number, waitMs: number): Promise<string> {
    const body = new Readable({ read() {} });
    for (let n = 0; n < chunks; n += 1) body.push('x');
    const provider = {
      open: () => Promise.resolve({ body, contentType: undefined, offset: 0, totalBytes: 5 }),
    } as Partial<Provider> as Provider;
    const part = join(folder.dir, `${chunks}-${waitMs}.part`);
    const files = { part, note: `${part}.json` };
    const controller = new AbortController();
    const ended = download(provider, null, files, { clock, signal: controller.signal }).then(
      () => 'whole',
      (error: { code: string }) => error.code,
    );
    await vi.waitUntil(async () => (await stat(files.part).catch(() => undefined))?.size === chunks);
    clock.advance(waitMs);
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    return ended;
  }

  it('may begin late, and is given up when it stops in the middle', async () => {
    expect(await silentAfter(0, 590_000)).toBe('ABORT_ERR');
    expect(await silentAfter(0, 601_000)).toBe('download_stalled');
    expect(await silentAfter(1, 50_000)).toBe('ABORT_ERR');
    expect(await silentAfter(1, 61_000)).toBe('download_stalled');
  });
});

describe('what runs leave behind', () => {
  it('is removed once its job is not being archived any more; what is fresh, at work or no run file stays', async () => {
    const write = (name: string) => writeFile(join(folder.dir, name), 'x');
    for (const name of ['video_1.run.part', 'video_2.run.part.json', 'upload.bin']) await write(name);
    const archiving = (ids: readonly string[]) => Promise.resolve(ids.filter((id) => id === 'video_1'));
    const exists = (name: string) =>
      readFile(join(folder.dir, name)).then(
        () => true,
        () => false,
      );
    await removeAbandoned(folder.dir, Date.now(), archiving);
    expect(await exists('video_2.run.part.json')).toBe(true);
    await removeAbandoned(folder.dir, Date.now() + 11 * 60_000, archiving);
    expect(
      await Promise.all(['video_1.run.part', 'video_2.run.part.json', 'upload.bin'].map(exists)),
    ).toEqual([true, false, true]);
  });
});
