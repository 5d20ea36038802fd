import { fork } from 'node:child_process';
import { once } from 'node:events';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Secret } from '../src/core/secret.ts';
import { hashOf } from '../src/storage/hash.ts';
import { createS3Storage } from '../src/storage/s3-storage.ts';
import { type BenchmarkOptions, megabytes, type Report } from './report.ts';

const SAMPLE_MS = 20;
/** Parts are read into the same few buffers, over and over. */
const STORE_GOAL_BYTES = 50 * 1024 ** 2;
/** What comes from a socket is new memory each time, and V8 lets 64 MB of that gather before it looks for garbage. */
const READ_GOAL_BYTES = 64 * 1024 ** 2;

/** What a long file adds to the memory of a process that has used its storage before. */
export default async function s3({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const sink = fork(join(import.meta.dirname, 's3-sink.ts'));
  try {
    const [port] = (await once(sink, 'message')) as [number];
    const storage = createS3Storage({
      bucket: 'bench',
      region: 'us-east-1',
      endpoint: `http://127.0.0.1:${port}`,
      prefix: '',
      credentials: {
        accessKeyId: new Secret('x'),
        secretAccessKey: new Secret('x'),
        sessionToken: undefined,
      },
    });
    const small = join(folder, 'small');
    await writeFile(small, Buffer.alloc(1000));
    await storage.putFile('small', small, { contentType: 'video/mp4' });
    await hashOf(await storage.open('small'));

    const sizeBytes = (quick ? 50 : 300) * 1024 ** 2;
    const long = join(folder, 'long');
    await writeLong(long, sizeBytes);
    const stored = await peakOf(() => storage.putFile('long', long, { contentType: 'video/mp4', sizeBytes }));
    const read = await peakOf(async () => void (await hashOf(await storage.open('long'))));
    storage.close?.();
    return {
      rows: [
        rowOf(`memory added while ${megabytes(sizeBytes)} go to S3`, stored, STORE_GOAL_BYTES),
        rowOf(`memory added while ${megabytes(sizeBytes)} come from S3`, read, READ_GOAL_BYTES),
      ],
    };
  } finally {
    sink.kill();
  }
}

async function writeLong(path: string, sizeBytes: number): Promise<void> {
  const file = await open(path, 'w');
  const chunk = Buffer.alloc(1024 ** 2, 'x');
  for (let at = 0; at < sizeBytes; at += chunk.length) await file.write(chunk);
  await file.close();
}

/** The most resident memory during some work, above that before it, in bytes. */
async function peakOf(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), SAMPLE_MS);
  await work();
  clearInterval(timer);
  return most - before;
}

function rowOf(what: string, bytes: number, goal: number) {
  return { what, measured: megabytes(bytes), goal: `< ${megabytes(goal)}`, isMet: bytes < goal };
}
