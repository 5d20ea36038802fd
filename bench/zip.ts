import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startEmbedded } from '../src/database/embedded.ts';
import { silentLog } from '../src/database/silent-log.ts';
import { AUTHORIZED } from './bench-app.ts';
import { insertFinishedJob } from './download-job.ts';
import { rssOf } from './procfs.ts';
import { type BenchmarkOptions, megabytes, type Report, type Row } from './report.ts';
import { startServerProcess } from './server-process.ts';

const VIDEOS = 200;
const FILE_BYTES = 5 * 1024 ** 2;
const GOAL_MS = 1000;
const GOAL_BYTES = 50 * 1024 ** 2;
const LOOK_EVERY_MS = 20;
/** A slow client takes a piece of 64 KB this often. */
const SLOW_PAUSE_MS = 20;

interface Measured {
  firstByteMs: number;
  bytes: number;
  tookMs: number;
}

/** How soon a zip of 200 videos begins, and what the server's memory grows by while it is sent. */
export default async function zip({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const dataDir = join(folder, 'data');
  await mkdir(dataDir);
  const database = await startEmbedded({ dataDir: join(folder, 'database'), log: silentLog });
  const server = await startServerProcess(dataDir, { DATABASE_URL: database.url, RATE_LIMIT_MAX: '1000000' });
  try {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    for (let index = 0; index < VIDEOS; index += 1) {
      const { key } = await insertFinishedJob(client, FILE_BYTES);
      const file = join(dataDir, 'storage', key);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, '');
      await truncate(file, FILE_BYTES);
    }
    await client.end();
    const url = (path: string) => `${server.address}/api/v1/${path}`;
    const slowMs = quick ? 2000 : 15_000;
    const ways: Record<string, () => Promise<Measured>> = {
      'zip of 200 videos, fast client': () => fetchAll(url('videos/zip')),
      'zip of 200 videos, ten slow clients': () => several(10, () => fetchSlowly(url('videos/zip'), slowMs)),
      'export of 200 videos, fast client': () => fetchAll(url('export')),
    };
    await sleep(2000);
    const before = await rssOf(server.pid);
    const rows: Row[] = [];
    for (const [what, run] of Object.entries(ways))
      rows.push(...(await measure(server.pid, before, what, run)));
    return { rows };
  } finally {
    await server.stop();
    await database.stop();
  }
}

async function measure(
  pid: number,
  before: number,
  what: string,
  run: () => Promise<Measured>,
): Promise<Row[]> {
  let peak = 0;
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      peak = Math.max(peak, await rssOf(pid));
      await sleep(LOOK_EVERY_MS);
    }
  })();
  const { firstByteMs, bytes, tookMs } = await run();
  over.abort();
  await watching;
  const growth = peak - before;
  return [
    {
      what: `${what}: first byte`,
      measured: `${firstByteMs.toFixed(0)} ms`,
      goal: `< ${GOAL_MS} ms`,
      isMet: firstByteMs < GOAL_MS,
    },
    {
      what: `${what}: growth of memory`,
      measured: megabytes(growth),
      reference: `${(bytes / 1024 ** 2 / (tookMs / 1000)).toFixed(0)} MB/s`,
      goal: `< ${megabytes(GOAL_BYTES)}`,
      isMet: growth < GOAL_BYTES,
    },
  ];
}

function open(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { headers: AUTHORIZED, agent: false }, (response) => {
      if (response.statusCode === 200) resolve(response);
      else reject(new Error(`${url}: status ${response.statusCode}`));
    }).once('error', reject);
  });
}

async function fetchAll(url: string): Promise<Measured> {
  const startedAt = performance.now();
  const response = await open(url);
  let firstByteMs = 0;
  let bytes = 0;
  for await (const chunk of response) {
    firstByteMs ||= performance.now() - startedAt;
    bytes += (chunk as Buffer).length;
  }
  if (bytes < VIDEOS * FILE_BYTES) throw new Error(`only ${bytes} bytes came`);
  return { firstByteMs, bytes, tookMs: performance.now() - startedAt };
}

/** Reads a little now and then, and goes away before the end. */
async function fetchSlowly(url: string, forMs: number): Promise<Measured> {
  const startedAt = performance.now();
  const response = await open(url);
  let firstByteMs = 0;
  let bytes = 0;
  while (performance.now() - startedAt < forMs) {
    bytes += (response.read() as Buffer | null)?.length ?? 0;
    if (bytes > 0) firstByteMs ||= performance.now() - startedAt;
    await sleep(SLOW_PAUSE_MS);
  }
  response.destroy();
  return { firstByteMs, bytes, tookMs: performance.now() - startedAt };
}

/** The slowest to begin, and all that came. */
async function several(count: number, run: () => Promise<Measured>): Promise<Measured> {
  const all = await Promise.all(Array.from({ length: count }, run));
  return {
    firstByteMs: Math.max(...all.map(({ firstByteMs }) => firstByteMs)),
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    tookMs: Math.max(...all.map(({ tookMs }) => tookMs)),
  };
}
