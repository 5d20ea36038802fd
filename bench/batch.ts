import { join } from 'node:path';
import { Pool } from 'pg';
import { newId } from '../src/core/ids.ts';
import { AUTHORIZED, startBenchApp } from './bench-app.ts';
import { type BenchmarkOptions, median, percentile, type Report, type Row } from './report.ts';

const GOAL_MS = 1000;
const SIZES = [10, 100, 1000];

/** The same number of rows in the same table by one INSERT of the bare minimum, committed. */
const BARE = `
  insert into jobs (id, owner_id, status, stage, model, connection, prompt, seconds, width, height, plan, due_at,
    tags, metadata, batch_id, batch_index, created_at, updated_at)
  select id, owner, 'pending', 'queued', 'simulator', 'bench', $3, 8, 1280, 720, $4::jsonb, now(),
    '{boats,lake}', '{"scene": "12"}', $5, place - 1, now(), now()
  from unnest($1::text[]) with ordinality as rows (id, place), (select $2::text as owner) as who`;

const VIDEO = {
  prompt: 'A paper boat on a mountain lake at dawn, slow pan to the left, film grain',
  duration: 8,
  tags: ['boats', 'lake'],
  metadata: { scene: '12' },
};

/** Accepting a batch: from the request to the answer, everything on disk. The engine has other work meanwhile. */
export default async function batch({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const env = { MAX_RUNNING: '1', BATCH_MAX_VIDEOS: '1000' };
  const bench = await startBenchApp(join(folder, 'data'), env);
  const pool = new Pool({ connectionString: bench.databaseUrl, max: 1 });
  const rows: Row[] = [];
  for (const size of SIZES) {
    const app: number[] = [];
    const bare: number[] = [];
    const rounds = quick ? 5 : 20;
    // The first round warms up.
    for (let round = 0; round <= rounds; round += 1) {
      const times = [await accept(bench.address, size), await insert(pool, size)];
      if (round > 0) for (const [index, list] of [app, bare].entries()) list.push(times[index] ?? Number.NaN);
    }
    rows.push(rowOf(size, app, bare));
  }
  await pool.end();
  await bench.stop();
  return { rows };
}

/** Ms until the answer has arrived. */
async function accept(address: string, size: number): Promise<number> {
  const body = JSON.stringify({ name: 'bench', videos: Array.from({ length: size }, () => VIDEO) });
  const startedAt = performance.now();
  const response = await fetch(`${address}/api/v1/videos/batch`, {
    method: 'POST',
    headers: { ...AUTHORIZED, 'content-type': 'application/json' },
    body,
  });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(answer.slice(0, 500));
  return performance.now() - startedAt;
}

/** On a connection that nobody works for, so that the engine leaves these rows alone. */
async function insert(pool: Pool, size: number): Promise<number> {
  const batchId = newId('batch');
  const { rows } = await pool.query<{ id: string }>('select id from users limit 1');
  const owner = rows[0]?.id;
  await pool.query('insert into batches (id, owner_id, created_at) values ($1, $2, now())', [batchId, owner]);
  const ids = Array.from({ length: size }, () => newId('video'));
  const plan = { upstreamModel: 'simulator', seconds: 8, size: { width: 1280, height: 720 }, request: VIDEO };
  const startedAt = performance.now();
  await pool.query(BARE, [ids, owner, VIDEO.prompt, JSON.stringify(plan), batchId]);
  return performance.now() - startedAt;
}

function rowOf(size: number, app: readonly number[], bare: readonly number[]): Row {
  const measured = median(app);
  return {
    what: `batch of ${size.toLocaleString('en')}`,
    measured: `${measured.toFixed(0)} ms, p95 ${percentile(app, 95).toFixed(0)} ms`,
    reference: `${median(bare).toFixed(0)} ms one INSERT`,
    // As everywhere, above 1 is never worse: how much of the bare speed is left.
    ratio: median(app.map((ms, round) => (bare[round] ?? Number.NaN) / ms)),
    ...(size === 1000 ? { goal: '< 1 s', isMet: measured < GOAL_MS } : {}),
  };
}
