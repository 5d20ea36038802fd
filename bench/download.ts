import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startEmbedded } from '../src/database/embedded.ts';
import { silentLog } from '../src/database/silent-log.ts';
import { AUTHORIZED } from './bench-app.ts';
import { insertFinishedJob } from './download-job.ts';
import { rssOf } from './procfs.ts';
import { type BenchmarkOptions, megabytes, type Report, type Row } from './report.ts';
import { type ServerProcess, startServerProcess } from './server-process.ts';

const FILE_BYTES = 1024 ** 3;
const GOAL_BYTES = 50 * 1024 ** 2;
const LOOK_EVERY_MS = 50;
/** A slow client takes a piece of 64 KB this often. */
const SLOW_PAUSE_MS = 20;

/** What the server's memory grows by while it sends a file of 1 GB. */
export default async function download({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const dataDir = join(folder, 'data');
  await mkdir(dataDir);
  const database = await startEmbedded({ dataDir: join(folder, 'database'), log: silentLog });
  const server = await startServerProcess(dataDir, { DATABASE_URL: database.url, RATE_LIMIT_MAX: '1000000' });
  try {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const { path, key } = await insertFinishedJob(client, FILE_BYTES);
    await client.end();
    const file = join(dataDir, 'storage', key);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, '');
    await truncate(file, FILE_BYTES);
    return { rows: await measureAll(server, path, quick) };
  } finally {
    await server.stop();
    await database.stop();
  }
}

async function measureAll(server: ServerProcess, path: string, quick: boolean): Promise<Row[]> {
  const url = server.address + path;
  await sleep(2000);
  const before = await rssOf(server.pid);
  const slowMs = quick ? 1000 : 15_000;
  const ways: Record<string, () => Promise<number>> = {
    'whole, fast client': () => fetchAll(url),
    'whole, four fast clients': async () =>
      sum(await Promise.all(Array.from({ length: 4 }, () => fetchAll(url)))),
    'whole, twenty slow clients': async () =>
      sum(await Promise.all(Array.from({ length: 20 }, () => fetchSlowly(url, slowMs)))),
    'ranges of 8 MB, eight at once': async () =>
      sum(await Promise.all(Array.from({ length: 8 }, (_, n) => fetchRanges(url, n, 8)))),
  };
  const rows: Row[] = [];
  for (const [way, run] of Object.entries(ways)) {
    if (quick && !way.startsWith('whole, fast') && !way.includes('slow')) continue;
    const startedAt = performance.now();
    const { peak, bytes } = await watch(server.pid, run);
    const rate = (bytes / 1024 ** 2 / (performance.now() - startedAt)) * 1000;
    const growth = peak - before;
    rows.push({
      what: `download 1 GB, ${way}: growth of memory`,
      measured: megabytes(growth),
      reference: `${rate.toFixed(0)} MB/s`,
      goal: `< ${megabytes(GOAL_BYTES)}`,
      isMet: growth < GOAL_BYTES,
    });
  }
  return rows;
}

/** The server's highest memory while something runs. */
async function watch(pid: number, run: () => Promise<number>): Promise<{ peak: number; bytes: number }> {
  let peak = 0;
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      peak = Math.max(peak, await rssOf(pid));
      await sleep(LOOK_EVERY_MS);
    }
  })();
  const bytes = await run();
  over.abort();
  await watching;
  return { peak, bytes };
}

function open(url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { ...AUTHORIZED, ...headers }, agent: false }, (response) => {
      if (response.statusCode === 200 || response.statusCode === 206) resolve(response);
      else reject(new Error(`${url}: status ${response.statusCode}`));
    }).once('error', reject);
  });
}

async function drain(response: IncomingMessage, expected: number): Promise<number> {
  let bytes = 0;
  for await (const chunk of response) bytes += (chunk as Buffer).length;
  if (bytes !== expected) throw new Error(`${bytes} bytes came instead of ${expected}`);
  return bytes;
}

async function fetchAll(url: string): Promise<number> {
  return drain(await open(url), FILE_BYTES);
}

/** Reads a little now and then, and goes away before the end. */
async function fetchSlowly(url: string, forMs: number): Promise<number> {
  const response = await open(url);
  const until = performance.now() + forMs;
  let bytes = 0;
  while (performance.now() < until) {
    bytes += (response.read() as Buffer | null)?.length ?? 0;
    await sleep(SLOW_PAUSE_MS);
  }
  response.destroy();
  return bytes;
}

/** Every so many-th piece of the file, beginning with the n-th. */
async function fetchRanges(url: string, n: number, every: number): Promise<number> {
  const size = 8 * 1024 ** 2;
  let bytes = 0;
  for (let start = n * size; start < FILE_BYTES; start += every * size) {
    bytes += await drain(await open(url, { range: `bytes=${start}-${start + size - 1}` }), size);
  }
  return bytes;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
