import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type BenchmarkOptions, median, type Report, type Row, seconds } from './report.ts';
import { startServerProcess } from './server-process.ts';

const GOALS_MS = { first: 4000, reopening: 2000 };

/** From the spawn of the server to its first connection: with an empty DATA_DIR, and with the one of before. */
export default async function start({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const first: number[] = [];
  const reopening: number[] = [];
  const dataDir = join(folder, 'data');
  for (let round = 0; round < (quick ? 1 : 3); round += 1) {
    await rm(dataDir, { recursive: true, force: true });
    first.push(await timeStart(dataDir));
    reopening.push(await timeStart(dataDir));
  }
  return {
    rows: [rowOf('first start', first, GOALS_MS.first), rowOf('reopening', reopening, GOALS_MS.reopening)],
  };
}

async function timeStart(dataDir: string): Promise<number> {
  const server = await startServerProcess(dataDir);
  await server.stop();
  return server.startedInMs;
}

function rowOf(what: string, times: readonly number[], goalMs: number): Row {
  const ms = median(times);
  return {
    what,
    measured: seconds(ms),
    reference: times.length > 1 ? `${seconds(Math.min(...times))} to ${seconds(Math.max(...times))}` : '',
    goal: `≤ ${seconds(goalMs)}`,
    isMet: ms <= goalMs,
  };
}
