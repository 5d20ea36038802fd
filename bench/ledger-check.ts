import { join } from 'node:path';
import { Kysely, PostgresDialect } from 'kysely';
import { Pool } from 'pg';
import { columnTypes } from '../src/database/column-types.ts';
import { startEmbedded } from '../src/database/embedded.ts';
import { migrate } from '../src/database/migrate.ts';
import type { DB } from '../src/database/schema.ts';
import { silentLog } from '../src/database/silent-log.ts';
import { checkLedger } from '../src/usage/ledger-check.repository.ts';
import { ROOT } from './machine.ts';
import { type BenchmarkOptions, type Report, type Row, seconds } from './report.ts';

const GOAL_MS = 10_000;
/** A proof that takes longer is given up. */
const LIMIT_MS = 300_000;
const LATER_ENTRIES = 1000;

const USERS = `insert into users (id, name, role, created_at)
  select 'usr_' || n, 'Somebody', 'user', now() from generate_series(0, $1::int - 1) as n`;
const KEYS = `insert into api_keys (id, user_id, owner_id, name, prefix, key_hash, created_at)
  select 'key_' || n, 'usr_' || n % $2::int, 'usr_' || n % $2::int, 'Key', 'sk', 'hash ' || n, now()
  from generate_series(0, $1::int - 1) as n`;
/** Charges alone, over the keys in turns: each is complete by itself. */
const ENTRIES = `insert into ledger (kind, debit, credit, amount_micros, owner_id, api_key_id, connection, model, job_id,
  created_at)
  select 'charge', 'spent/usr_' || n % $3::int, 'owed/bench', 1000 + n % 7, 'usr_' || n % $3::int,
    'key_' || n % $2::int, 'bench', 'bench', 'video_bench_' || n, now() - interval '1 second' * ($1::int - n)
  from generate_series($4::int, $1::int - 1) as n`;
const BALANCES = `insert into balances (account, micros)
  select debit, sum(amount_micros) from ledger group by debit
  on conflict (account) do update set micros = excluded.micros`;
const METERS = `insert into meters (scope, subject_id, zone, day, month, usd_day, usd_month, usd_total, videos_day,
    seconds_month)
  select 'key', api_key_id, 'UTC', current_date, current_date, 0, 0, sum(amount_micros), 0, 0
  from ledger group by api_key_id
  on conflict (scope, subject_id) do update set usd_total = excluded.usd_total`;

/** How long the proof of the books takes: of all that there is, and again when a little has come in. */
export default async function ledgerCheck({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const [keys, entries] = quick ? [100, 20_000] : [1000, 1_000_000];
  const users = keys / 10;
  const settings = { max_wal_size: '4GB' };
  const database = await startEmbedded({ dataDir: folder, log: silentLog, durable: false, settings });
  await migrate(database.url, { dir: join(ROOT, 'migrations'), log: silentLog });
  const pool = new Pool({
    connectionString: database.url,
    max: 2,
    types: columnTypes(),
    statement_timeout: LIMIT_MS,
  });
  pool.on('error', () => {});
  const db = new Kysely<DB>({ dialect: new PostgresDialect({ pool }) });
  const rows: Row[] = [];
  const notes: string[] = [];
  try {
    await pool.query(USERS, [users]);
    await pool.query(KEYS, [keys, users]);
    let from = 0;
    for (const [what, until] of [
      ['all', entries],
      [`again with ${LATER_ENTRIES.toLocaleString('en')} more`, entries + LATER_ENTRIES],
    ] as const) {
      await pool.query(ENTRIES, [until, keys, users, from]);
      from = until;
      await pool.query(BALANCES);
      await pool.query(METERS);
      await pool.query('vacuum analyze ledger');
      const { row, note } = await measure(db, `ledger check, ${keys} keys, ${entries} entries, ${what}`);
      rows.push(row);
      notes.push(note);
    }
  } finally {
    await db.destroy();
    await database.stop();
  }
  return { rows, notes };
}

async function measure(db: Kysely<DB>, what: string): Promise<{ row: Row; note: string }> {
  const goal = `≤ ${GOAL_MS / 1000} s`;
  const startedAt = performance.now();
  try {
    const { problems } = await checkLedger(db);
    const tookMs = performance.now() - startedAt;
    const note = `${what}: ${problems.map(({ rule, count }) => `${rule} (${count})`).join(', ') || 'no problem'}`;
    return { row: { what, measured: seconds(tookMs), goal, isMet: tookMs <= GOAL_MS }, note };
  } catch (error) {
    const measured = `given up after ${seconds(performance.now() - startedAt)}`;
    return { row: { what, measured, goal, isMet: false }, note: `${what}: ${String(error)}` };
  }
}
