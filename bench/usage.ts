import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Kysely, PostgresDialect } from 'kysely';
import { Pool } from 'pg';
import { columnTypes } from '../src/database/column-types.ts';
import { startEmbedded } from '../src/database/embedded.ts';
import { migrate } from '../src/database/migrate.ts';
import type { DB } from '../src/database/schema.ts';
import { silentLog } from '../src/database/silent-log.ts';
import { checkLedger } from '../src/usage/ledger-check.repository.ts';
import { GROUPINGS, readReport } from '../src/usage/reports.ts';
import { readUsage } from '../src/usage/reports.repository.ts';
import { zoneOf } from '../src/usage/rollup.repository.ts';
import { fillJobs, OWNERS } from './list-rows.ts';
import { ROOT } from './machine.ts';
import { type BenchmarkOptions, median, type Report, seconds } from './report.ts';

const GOAL_MS = 300;
const NOW = Date.parse('2026-11-01T00:00:00Z');
const PAGE = { limit: 1000, offset: 0 };
const FIRST_OF_OURS = '0010';

/** Days that are those of UTC, that begin at another hour, and at a quarter. */
const ZONES = ['UTC', 'Europe/Berlin', 'Asia/Kathmandu'];
const GROUPED = [
  ...GROUPINGS,
  'day,model',
  'day,user',
  'day,key',
  'day,team',
  'month,provider',
  'user,model',
  'batch,model',
  'batch,user',
  'batch,key',
  'day,batch',
  'month,key',
];

/** Every entry that the jobs would have made. */
const LEDGER = `
insert into ledger (kind, debit, credit, amount_micros, owner_id, api_key_id, batch_id, connection, model, job_id,
  created_at)
select kind, debit, credit, micros, owner_id, api_key_id, batch_id, connection, model, id, at from jobs,
lateral (values
  ('hold', 'held/' || owner_id, 'reserve', estimated_micros, created_at),
  ('release', 'reserve', 'held/' || owner_id, case when finished_at is not null then estimated_micros end, finished_at),
  ('charge', 'spent/' || owner_id, 'owed/' || connection, case when finished_at is not null then charged_micros end,
    finished_at)
) as entry (kind, debit, credit, micros, at)
where micros > 0`;

const BALANCES = `
insert into balances (account, micros)
select account, sum(micros) from (
  select debit as account, amount_micros as micros from ledger union all select credit, -amount_micros from ledger
) as sides where account like 'held/%' or account like 'spent/%' group by account`;

/** What reports cost, on a PostgreSQL that has just been started and on one that has been asked before. */
export default async function usage({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_wal_size: '4GB' };
  const start = () => startEmbedded({ dataDir: folder, log: silentLog, durable: false, settings });
  const open = (url: string) => {
    const pool = new Pool({ connectionString: url, max: 4, types: columnTypes() });
    pool.on('error', () => {});
    return { pool, db: new Kysely<DB>({ dialect: new PostgresDialect({ pool }) }) };
  };
  let server = await start();
  const former = join(folder, 'former');
  await mkdir(former);
  const files = await readdir(join(ROOT, 'migrations'));
  for (const file of files.filter((name) => name < FIRST_OF_OURS))
    await copyFile(join(ROOT, 'migrations', file), join(former, file));
  await migrate(server.url, { dir: former, log: silentLog });
  const count = quick ? 100_000 : 1_000_000;
  let { pool, db } = open(server.url);
  await fillJobs(pool, count);
  await pool.query(LEDGER);
  await pool.query(BALANCES);
  await pool.query('vacuum analyze ledger');
  const migratingAt = performance.now();
  await migrate(server.url, { dir: join(ROOT, 'migrations'), log: silentLog });
  const migratedIn = performance.now() - migratingAt;
  for (const table of ['dims', 'quarters', 'days', 'batches', 'deltas'])
    await pool.query(`vacuum analyze usage_${table}`);
  const { rows: sizes } = await pool.query<{ name: string; rows: number; mb: number }>(
    `select relname as name, reltuples::bigint as rows, pg_total_relation_size(oid) / 1048576 as mb
     from pg_class where relname like 'usage\\_%' and relkind = 'r' order by 1`,
  );
  const checkingAt = performance.now();
  const check = await checkLedger(db);
  const checkedIn = performance.now() - checkingAt;
  await db.destroy();
  await server.stop();

  const timings: { what: string; cold: number; warm: number }[] = [];
  const zones: number[] = [];
  for (const zone of ZONES) {
    server = await start();
    ({ pool, db } = open(server.url));
    const addingAt = performance.now();
    await zoneOf(db, zone);
    zones.push(performance.now() - addingAt);
    for (const groupBy of GROUPED) {
      for (const owner of [undefined, OWNERS.big]) {
        const report = readReport({ from: '2020-01-01', groupBy, timeZone: zone }, { ownerId: owner }, NOW);
        const times: number[] = [];
        for (let run = 0; run < 4; run += 1) {
          const before = performance.now();
          await readUsage(db, report, PAGE);
          times.push(performance.now() - before);
        }
        const [cold = Number.NaN, ...warm] = times;
        const what = `${groupBy}, ${zone}, ${owner === undefined ? 'everybody' : 'one owner'}`;
        timings.push({ what, cold, warm: median(warm) });
      }
    }
    await db.destroy();
    await server.stop();
  }
  const line = ({ what, cold, warm }: (typeof timings)[number]) =>
    `  ${cold.toFixed(0).padStart(6)} ms first ${warm.toFixed(0).padStart(6)} ms then  ${what}`;
  const [slowest] = timings.toSorted((a, b) => b.warm - a.warm);
  const [coldest] = timings.toSorted((a, b) => b.cold - a.cold);
  const jobs = `${count.toLocaleString('en')} jobs`;
  return {
    rows: [
      {
        what: `usage, slowest of ${timings.length} reports over ${jobs}`,
        measured: `${slowest?.warm.toFixed(0)} ms`,
        reference: `${median(timings.map(({ warm }) => warm)).toFixed(0)} ms the median one`,
        goal: `< ${GOAL_MS} ms`,
        isMet: timings.every(({ warm }) => warm < GOAL_MS),
      },
      {
        what: 'usage, the slowest when first asked for after a start',
        measured: `${coldest?.cold.toFixed(0)} ms`,
        goal: `< ${GOAL_MS} ms`,
        isMet: timings.every(({ cold }) => cold < GOAL_MS),
      },
      { what: 'usage, summing up another time zone, once', measured: seconds(Math.max(...zones)) },
      { what: `usage, migration of ${jobs}`, measured: seconds(migratedIn) },
      { what: `ledger check, ${check.entries.toLocaleString('en')} entries`, measured: seconds(checkedIn) },
    ],
    notes: [
      `ledger: ${check.problems.map(({ rule, count: found }) => `${rule} (${found})`).join(', ') || 'no problem'}`,
      ...sizes.map(({ name, rows, mb }) => `  ${name}: ${rows} rows, ${mb} MB`),
      timings.map(line).join('\n'),
    ],
  };
}
