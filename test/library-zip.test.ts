import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { fromBufferPromise, type ZipFile } from 'yauzl';
import { sha256 } from '../src/core/ids.ts';
import { type Job, resultOf } from '../src/jobs/job.ts';
import { useTestApp } from './create-test-app.ts';
import { addVideo, call, failure } from './library-kit.ts';

const shared = useTestApp();
let address = '';

beforeAll(async () => {
  await shared().app.server.listen({ port: 0, host: '127.0.0.1' });
  address = `http://127.0.0.1:${(shared().app.server.server.address() as AddressInfo).port}`;
});

async function unzip(data: Buffer): Promise<Map<string, Buffer>> {
  const zip: ZipFile = await fromBufferPromise(data, { lazyEntries: true, strictFileNames: true });
  const files = new Map<string, Buffer>();
  for await (const entry of zip.eachEntry()) {
    const chunks: Buffer[] = [];
    for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk as Buffer);
    files.set(entry.fileName, Buffer.concat(chunks));
  }
  return files;
}

async function zipOf(url: string, body?: object): Promise<Map<string, Buffer>> {
  const response = await call(shared().admin, body ? 'POST' : 'GET', url, body);
  expect(response.statusCode, response.body).toBe(200);
  expect(response.headers['content-type']).toBe('application/zip');
  return unzip(response.rawPayload);
}

interface Manifest {
  videos: { jobId: string; files: { name: string; sha256: string; sizeBytes: number }[] }[];
  skipped: { jobId: string; code: string }[];
  remaining: number;
}

const json = (files: Map<string, Buffer>, name: string) => JSON.parse(String(files.get(name))) as unknown;

test('each video is there with its facts beside it; what is not completed is named as skipped', async () => {
  const { admin, user } = shared();
  const boat = await addVideo(shared(), { name: 'Boat', prompt: 'a boat' });
  const other = await addVideo(shared(), { name: 'boat' });
  const failed = await addVideo(shared(), { status: 'failed' });
  const theirs = await (await user('zip-stranger')).create();
  const ids = [boat.id, failed.id, theirs.jobId, other.id];
  const files = await zipOf(`/videos/zip?ids=${ids.join(',')}&template={name}&include=video,thumbnail`);
  expect([...files.keys()]).toEqual([
    'Boat.mp4',
    'Boat-thumbnail.webp',
    'Boat.json',
    'boat (2).mp4',
    'boat (2)-thumbnail.webp',
    'boat (2).json',
    'manifest.json',
  ]);
  expect(String(files.get('Boat.mp4'))).toBe(`the video ${boat.id}`);
  expect(json(files, 'Boat.json')).toMatchObject({
    job: await admin.get(boat.id),
    lineage: { parentId: null, rootId: null, depth: 0 },
  });
  const manifest = json(files, 'manifest.json') as Manifest;
  expect(manifest.skipped.map(({ jobId, code }) => [jobId, code])).toEqual([
    [failed.id, 'video_not_completed'],
    [theirs.jobId, 'job_not_found'],
  ]);
  for (const { files: named } of manifest.videos)
    for (const { name, sha256: hash } of named) expect(sha256(files.get(name) ?? '')).toBe(hash);
});

test('a filter packs what it finds up to a limit, and says how many remain; a body does the same', async () => {
  for (let index = 0; index < 3; index += 1)
    await addVideo(shared(), { tags: ['zip-filter'], name: `v${index}` });
  const files = await zipOf('/videos/zip?tag=zip-filter&limit=2&template={index}');
  expect([...files.keys()]).toEqual(['0001.mp4', '0001.json', '0002.mp4', '0002.json', 'manifest.json']);
  expect(json(files, 'manifest.json')).toMatchObject({ remaining: 1 });
  const same = await zipOf('/videos/zip', {
    filter: { tag: 'zip-filter' },
    template: '{name}',
    include: ['video'],
  });
  expect([...same.keys()].filter((name) => name.endsWith('.mp4'))).toEqual(['v0.mp4', 'v1.mp4', 'v2.mp4']);
});

test.each([
  ['/videos/zip?ids=a&template={nope}', 'invalid_request'],
  ['/videos/zip?ids=a&tag=b', 'invalid_request'],
  ['/videos/zip?ids=,', 'invalid_request'],
  ['/videos/zip?ids=a&include=audio', 'invalid_request'],
  ['/videos/zip?status=nope', 'invalid_request'],
  ['/videos/zip?nope=1', 'unknown_field'],
])('%s is refused before anything is sent', async (url, code) => {
  expect(await failure(shared().admin, 'GET', url)).toEqual([400, code]);
});

describe('downloads that end early', () => {
  const open = (path: string) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { 'x-api-key': shared().admin.key };
      get(`${address}/api/v1${path}`, { headers, agent: false }, resolve).once('error', reject);
    });

  async function videos(count: number, bytes: number): Promise<Job[]> {
    const jobs: Job[] = [];
    for (let index = 0; index < count; index += 1)
      jobs.push(await addVideo(shared(), {}, Buffer.alloc(bytes, index)));
    return jobs;
  }

  test('a file that is gone breaks the download off where everybody sees it', async () => {
    const jobs = await videos(3, 500_000);
    const key = resultOf(jobs[1] as Job)?.files.video.key ?? '';
    await rm(join(shared().dataDir, 'storage', key));
    const response = await open(`/videos/zip?ids=${jobs.map(({ id }) => id).join(',')}`);
    expect(response.statusCode).toBe(200);
    response.resume();
    await expect(once(response, 'end')).rejects.toThrow(/aborted|ECONNRESET/);
    expect(response.complete).toBe(false);
  });

  test('a video that is deleted during the download is named as skipped, and the others arrive', async () => {
    const [first, second, third] = await videos(3, 10_000_000);
    if (!first || !second || !third) throw new Error('no videos');
    const ids = [first.id, second.id, third.id];
    const response = await open(`/videos/zip?ids=${ids.join(',')}&template={index}`);
    await once(response, 'readable');
    // The rows have been read, and the first file is on its way.
    expect((await call(shared().admin, 'DELETE', `/videos/${second.id}?purge=true`)).statusCode).toBe(200);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const files = await unzip(Buffer.concat(chunks));
    expect([...files.keys()]).toEqual(['0001.mp4', '0001.json', '0003.mp4', '0003.json', 'manifest.json']);
    const manifest = json(files, 'manifest.json') as Manifest;
    expect(manifest.videos.map(({ jobId }) => jobId)).toEqual([first.id, third.id]);
    expect(manifest.skipped).toMatchObject([{ jobId: second.id, code: 'job_not_found' }]);
  });

  test('a file of another size breaks it off too', async () => {
    const [job] = await videos(1, 500_000);
    const result = resultOf(job as Job);
    if (!job || !result) throw new Error('no video');
    result.files.video.sizeBytes += 1;
    await shared()
      .db.updateTable('jobs')
      .set({ result: JSON.stringify(result) })
      .where('id', '=', job.id)
      .execute();
    const response = await open(`/videos/zip?ids=${job.id}`);
    response.resume();
    await expect(once(response, 'end')).rejects.toThrow(/aborted|ECONNRESET/);
  });

  test('a client that goes away leaves no file open', async () => {
    const jobs = await videos(3, 5_000_000);
    const openFiles = async () => {
      const { readdir, readlink } = await import('node:fs/promises');
      const links = await Promise.all(
        (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
      );
      return links.filter((link) => link.startsWith(shared().dataDir));
    };
    const response = await open(`/videos/zip?ids=${jobs.map(({ id }) => id).join(',')}`);
    await once(response, 'readable');
    expect((await openFiles()).length).toBe(1);
    response.destroy();
    await expect.poll(openFiles).toEqual([]);
  });
});
