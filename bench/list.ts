import { Pool } from 'pg';
import { Kysely, PostgresDialect, type CompiledQuery } from 'kysely';
import { join } from 'node:path';
import { columnTypes } from '../src/database/column-types.ts';
import { startEmbedded } from '../src/database/embedded.ts';
import { migrate } from '../src/database/migrate.ts';
import type { DB } from '../src/database/schema.ts';
import { silentLog } from '../src/database/silent-log.ts';
import { countJobs } from '../src/jobs/job-count.repository.ts';
import { pageJobs } from '../src/jobs/job-list.repository.ts';
import { type ListCase, listCases } from './list-cases.ts';
import { fillJobs } from './list-rows.ts';
import { ROOT } from './machine.ts';
import { type BenchmarkOptions, median, type Report, seconds } from './report.ts';

const GOAL_MS = 50;
const SHOWN = 40;
const PLANS_SHOWN = 4;
/** A query that has taken this long altogether is not run again. */
const ENOUGH_MS = 1000;

interface Timing {
  what: string;
  ms: number;
  queries: CompiledQuery[];
}

/** Every filter and every sort of the list, page and total, as the repository asks for them. */
export default async function list({ quick, folder }: BenchmarkOptions): Promise<Report> {
  // Only the filling need not be durable; what reads is not touched by these settings.
  const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_wal_size: '4GB' };
  const server = await startEmbedded({ dataDir: folder, log: silentLog, durable: false, settings });
  await migrate(server.url, { dir: join(ROOT, 'migrations'), log: silentLog });
  const pool = new Pool({ connectionString: server.url, max: 4, types: columnTypes() });
  // A connection that ends with its server is no news.
  pool.on('error', () => {});
  const count = quick ? 100_000 : 1_000_000;
  const filledAt = performance.now();
  await fillJobs(pool, count);
  const filledIn = performance.now() - filledAt;

  const queries: CompiledQuery[] = [];
  const db = new Kysely<DB>({
    dialect: new PostgresDialect({ pool }),
    log: (event) => void queries.push(event.query),
  });
  const timings: Timing[] = [];
  for (const entry of await listCases(pool, quick))
    timings.push(...(await time(db, queries, entry, quick ? 1 : 5)));
  timings.sort((a, b) => b.ms - a.ms);
  const slow = timings.filter(({ ms }) => ms > GOAL_MS);
  const plans: string[] = [];
  for (const timing of slow.slice(0, PLANS_SHOWN)) plans.push(await explain(pool, timing));
  await db.destroy();
  await server.stop();

  const [slowest] = timings;
  const table = timings
    .slice(0, SHOWN)
    .map(({ what, ms }) => `  ${ms.toFixed(1).padStart(8)} ms  ${what}`)
    .join('\n');
  return {
    rows: [
      {
        what: `list, slowest of ${timings.length} queries over ${count.toLocaleString('en')} jobs`,
        measured: `${slowest?.ms.toFixed(1)} ms`,
        reference: `${median(timings.map(({ ms }) => ms)).toFixed(1)} ms the median one`,
        goal: `< ${GOAL_MS} ms`,
        isMet: slow.length === 0,
      },
    ],
    notes: [
      `list: ${slow.length} of ${timings.length} above the goal (filled in ${seconds(filledIn)}); the slowest:\n${table}`,
      ...plans,
    ],
  };
}

/** The page and its total apart; the median of warm runs. */
async function time(
  db: Kysely<DB>,
  queries: CompiledQuery[],
  entry: ListCase,
  runs: number,
): Promise<Timing[]> {
  const { filter, page, what } = entry;
  // As the route does it: the total first, which tells the page which way to go.
  const known = await countJobs(db, filter, page.sort);
  const parts = {
    page: () => pageJobs(db, filter, page, known),
    total: () => countJobs(db, filter, page.sort),
  };
  const timings: Timing[] = [];
  for (const [part, ask] of Object.entries(parts)) {
    const times: number[] = [];
    const startedAt = performance.now();
    for (let run = 0; run <= runs; run += 1) {
      if (times.length > 0 && performance.now() - startedAt > ENOUGH_MS) break;
      queries.length = 0;
      const before = performance.now();
      await ask();
      if (run > 0) times.push(performance.now() - before);
    }
    timings.push({ what: `${what}: ${part}`, ms: median(times), queries: [...queries] });
  }
  return timings;
}

async function explain(pool: Pool, { what, ms, queries }: Timing): Promise<string> {
  const plans: string[] = [];
  for (const { sql, parameters } of queries) {
    // A transaction's own words, and what the repository itself had explained.
    if (!sql.startsWith('select') || sql.startsWith('select set_config')) continue;
    const { rows } = await pool.query<{ 'QUERY PLAN': string }>(
      `explain (analyze, buffers, costs off) ${sql}`,
      [...parameters],
    );
    plans.push(rows.map((row) => `  ${row['QUERY PLAN']}`).join('\n'));
  }
  return `${what} (${ms.toFixed(0)} ms):\n${plans.join('\n')}`;
}
