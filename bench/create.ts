import { join } from 'node:path';
import { AUTHORIZED, type BenchApp, startBenchApp } from './bench-app.ts';
import { startThreeInserts } from './create-reference.ts';
import { type LoadResult, runLoad } from './load.ts';
import { type BenchmarkOptions, median, perSecond, type Report, type Row } from './report.ts';

const CONNECTIONS = 32;
const GOAL = 0.5;

const BODY = JSON.stringify({
  prompt: 'A paper boat on a mountain lake at dawn, slow pan to the left, film grain',
  duration: 8,
  tags: ['boats', 'lake'],
  metadata: { scene: '12' },
});

/** What the engine does meanwhile. */
const ENGINES = {
  // One video at a time, lifelike: its place is taken for the whole run, so hardly anything can be admitted.
  'engine waiting': { MAX_RUNNING: '1' },
  'engine at work': {},
} as const;

/** Creating videos, each committed to disk before it is answered. */
export default async function create({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const rows: Row[] = [];
  for (const [engine, env] of Object.entries(ENGINES).slice(0, quick ? 1 : 2)) {
    const bench = await startBenchApp(join(folder, engine.replaceAll(' ', '-')), env);
    const rates = await compare(bench, quick);
    await bench.stop();
    rows.push(rowOf(engine, rates));
  }
  return { rows };
}

interface Rates {
  app: number[];
  bare: number[];
}

async function compare(bench: BenchApp, quick: boolean): Promise<Rates> {
  const bare = await startThreeInserts(bench.databaseUrl);
  const urls = { app: `${bench.address}/api/v1/videos`, bare: bare.url };
  const rates: Rates = { app: [], bare: [] };
  const rounds = quick ? 2 : 10;
  // The first round warms up.
  for (let round = 0; round <= rounds; round += 1) {
    for (const side of round % 2 === 0 ? (['bare', 'app'] as const) : (['app', 'bare'] as const)) {
      const load = await measure(urls[side], quick ? 1 : 2);
      if (round > 0) rates[side].push(load.perSecond);
    }
  }
  await bare.close();
  return rates;
}

function measure(url: string, durationSeconds: number): Promise<LoadResult> {
  return runLoad({
    url,
    method: 'POST',
    headers: { ...AUTHORIZED, 'content-type': 'application/json' },
    body: BODY,
    connections: CONNECTIONS,
    durationSeconds,
  });
}

function rowOf(engine: string, { app, bare }: Rates): Row {
  const ratio = median(app.map((rate, round) => rate / (bare[round] ?? Number.NaN)));
  return {
    what: `create, ${engine}`,
    measured: perSecond(median(app)),
    reference: `${perSecond(median(bare))} three INSERTs`,
    ratio,
    goal: '≥ 50 %',
    isMet: ratio >= GOAL,
  };
}
