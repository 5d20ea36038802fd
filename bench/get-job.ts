import Fastify from 'fastify';
import { AUTHORIZED, type BenchApp, startBenchApp } from './bench-app.ts';
import { type LoadResult, runLoad } from './load.ts';
import { freePort } from './ports.ts';
import { type BenchmarkOptions, median, perSecond, type Report } from './report.ts';

const CONNECTIONS = 32;
const JOBS = 100;
const STEADY_RATE = 1000;
const GOALS = { ratio: 0.5, p99Ms: 10 };

interface Side {
  perSecond: number[];
  cpuMicros: number[];
  p99Ms: number[];
}

/** Reading a job over and over, as clients that wait for one do. */
export default async function getJob({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const bench = await startBenchApp(folder, { MAX_RUNNING: '1' });
  const paths = await createJobs(bench);
  const bare = await startBare(await (await fetch(bench.address + paths[0], { headers: AUTHORIZED })).json());
  const targets = { app: bench.address, bare: bare.address };
  const sides = { app: emptySide(), bare: emptySide() };
  const rounds = quick ? 2 : 10;
  const durationSeconds = quick ? 1 : 2;
  // The first round warms up.
  for (let round = 0; round <= rounds; round += 1) {
    for (const side of round % 2 === 0 ? (['bare', 'app'] as const) : (['app', 'bare'] as const)) {
      const before = process.cpuUsage();
      const load = await measure(targets[side], paths, { durationSeconds });
      const { user, system } = process.cpuUsage(before);
      if (round === 0) continue;
      sides[side].perSecond.push(load.perSecond);
      sides[side].cpuMicros.push((user + system) / load.requests);
    }
  }
  for (let round = 0; round < (quick ? 1 : 5); round += 1) {
    for (const side of ['bare', 'app'] as const) {
      const load = await measure(targets[side], paths, { durationSeconds, rate: STEADY_RATE });
      sides[side].p99Ms.push(load.latencyMs.p99);
    }
  }
  await bare.close();
  await bench.stop();
  return report(sides.app, sides.bare);
}

async function createJobs({ app }: BenchApp): Promise<string[]> {
  const paths: string[] = [];
  for (let n = 0; n < JOBS; n += 1) {
    const payload = { prompt: `A paper boat on a mountain lake, take ${n}`, tags: ['boats', 'lake'] };
    const reply = await app.server.inject({
      method: 'POST',
      url: '/api/v1/videos',
      headers: AUTHORIZED,
      payload,
    });
    paths.push(String(reply.headers.location));
  }
  return paths;
}

async function startBare(body: unknown): Promise<{ address: string; close(): Promise<void> }> {
  const server = Fastify();
  server.get('/api/v1/videos/:jobId', () => body);
  const address = await server.listen({ host: '127.0.0.1', port: await freePort() });
  return { address, close: () => server.close() };
}

function measure(
  url: string,
  paths: string[],
  how: { durationSeconds: number; rate?: number },
): Promise<LoadResult> {
  return runLoad({ url, paths, headers: AUTHORIZED, connections: CONNECTIONS, ...how });
}

function emptySide(): Side {
  return { perSecond: [], cpuMicros: [], p99Ms: [] };
}

function report(app: Side, bare: Side): Report {
  const ratio = median(app.perSecond.map((rate, round) => rate / (bare.perSecond[round] ?? Number.NaN)));
  const cpu = { app: median(app.cpuMicros), bare: median(bare.cpuMicros) };
  const p99 = { app: median(app.p99Ms), bare: median(bare.p99Ms) };
  return {
    rows: [
      {
        what: 'get job',
        measured: perSecond(median(app.perSecond)),
        reference: `${perSecond(median(bare.perSecond))} bare route`,
        ratio,
        goal: '≥ 50 %',
        isMet: ratio >= GOALS.ratio,
      },
      {
        what: 'get job, CPU time of the server',
        measured: `${cpu.app.toFixed(0)} µs a request`,
        reference: `${cpu.bare.toFixed(0)} µs bare route`,
        ratio: cpu.bare / cpu.app,
      },
      {
        what: `get job, p99 at ${STEADY_RATE.toLocaleString('en')} requests/s`,
        measured: `${p99.app.toFixed(1)} ms`,
        reference: `${p99.bare.toFixed(1)} ms bare route`,
        goal: `< ${GOALS.p99Ms} ms`,
        isMet: p99.app < GOALS.p99Ms,
      },
    ],
  };
}
