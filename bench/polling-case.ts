import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'pg';
import { AUTHORIZED, type BenchApp, startBenchApp } from './bench-app.ts';
import { startUpstream, type Upstream } from './polling-start.ts';
import { processTree } from './procfs.ts';

export interface PollingCase {
  jobs: number;
  /** Between the first and the last end, in seconds; the first comes as long after the start. */
  spreadSeconds: number;
  lists: boolean;
  /** Whether finished videos are fetched and stored meanwhile. */
  archives: boolean;
  /** How long the upstream takes for a page of its list, in ms (at once). */
  pageMs?: number;
}

export interface PollingResult {
  /** From the upstream's end to the commit that takes the job out of `rendering`, for each job, in ms. */
  latenciesMs: number[];
  /** Upstream calls per second while the jobs ran and ended. */
  calls: { list: number; single: number };
  /** Cores in use meanwhile. */
  cores: { node: number; postgres: number };
  /** Videos stored when the last end was seen. */
  archived: number;
}

/** The timeline of a 64x64 clip of one second at speed 1: its end comes after 6.3 s and up to 6.3 s more. */
const SPREAD_SECONDS = 6.3;
const BODY = { prompt: 'A paper boat', resolution: '64x64', duration: 1 };

/** When the end of a job was committed, as the database sees it: at the very end of the transaction. */
const WATCH = `
  create table bench_seen (job_id text not null, at timestamptz not null);
  create function bench_note() returns trigger language plpgsql as $$
  begin
    insert into bench_seen values (new.job_id, clock_timestamp());
    return null;
  end $$;
  create constraint trigger bench_note after insert on events deferrable initially deferred
    for each row when (new.type = 'job.rendered') execute function bench_note()`;

/** The tasks are queued as ever, but for later. */
const HOLD_ARCHIVING = `
  create function bench_hold() returns trigger language plpgsql as $$
  begin
    new.start_after := now() + interval '1 day';
    return new;
  end $$;
  create trigger bench_hold before insert on pgboss.job
    for each row when (new.name = 'jobs.archive') execute function bench_hold()`;

export async function runCase(folder: string, options: PollingCase): Promise<PollingResult> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const upstream = await startUpstream({
    speed: SPREAD_SECONDS / options.spreadSeconds,
    lists: options.lists,
    pageMs: options.pageMs ?? 0,
    cacheDir: join(folder, 'cache'),
  });
  const bench = await startBenchApp(join(folder, 'data'), await connectTo(upstream, folder, options));
  const pool = new Pool({ connectionString: bench.databaseUrl, max: 2 });
  try {
    await pool.query(WATCH);
    if (!options.archives) await pool.query(HOLD_ARCHIVING);
    await startJobs(bench, pool, upstream, options.jobs);
    return await measure(pool, upstream, options);
  } finally {
    await pool.end();
    await bench.stop();
    await upstream.stop();
  }
}

async function connectTo(upstream: Upstream, folder: string, options: PollingCase) {
  const file = join(folder, 'providers.json');
  const connection = {
    name: 'upstream',
    adapter: 'openai-videos',
    baseUrl: upstream.address,
    dialect: options.lists ? 'generic' : 'litellm',
    maxRunning: options.jobs,
    models: [{ id: 'simulator', seconds: [1], sizes: ['64x64'], pricePerSecondUsd: 0 }],
  };
  await writeFile(file, JSON.stringify({ connections: [connection] }));
  return { PROVIDERS_FILE: file, SIMULATOR: 'false' };
}

/** One job goes its whole way to the upstream; its rows are then copied for all the other videos there. */
async function startJobs({ app }: BenchApp, pool: Pool, upstream: Upstream, jobs: number): Promise<void> {
  const request = { method: 'POST', url: '/api/v1/videos', headers: AUTHORIZED, payload: BODY } as const;
  const { statusCode, body } = await app.server.inject(request);
  if (statusCode !== 201) throw new Error(body);
  await until(pool, RENDERING, 1);
  const { rows } = await pool.query<{ columns: string }>(
    `select string_agg(quote_ident(column_name), ', ') as columns from information_schema.columns
     where table_name = 'jobs' and table_schema = 'public' and is_generated = 'NEVER' and column_name <> 'id'`,
  );
  const columns = rows[0]?.columns ?? '';
  const ids = await upstream.make(jobs - 1);
  await pool.query(
    `with others as (
       select id as upstream, 'video_' || md5(id) as id, n * interval '1 ms' as later
       from unnest($1::text[]) with ordinality as made (id, n)
     ), copied as (
       insert into jobs (id, ${columns}) select others.id, ${columns.replace(/(\w+)/g, 'jobs.$1')} from jobs, others
     ), attempted as (
       insert into attempts (id, job_id, number, connection, state, plan, operation, created_at, sent_at, settled_at)
       select 'att_' || others.id, others.id, number, connection, state, plan, jsonb_build_object('id', upstream),
         created_at, sent_at + later, settled_at + later from attempts, others
     )
     insert into polls (job_id, connection, due_at) select others.id, 'upstream', now() from others`,
    [ids],
  );
}

const RENDERING = `select count(*) from jobs where stage = 'rendering'`;

async function measure(
  pool: Pool,
  upstream: Upstream,
  { jobs, spreadSeconds }: PollingCase,
): Promise<PollingResult> {
  const before = { at: performance.now(), calls: await upstream.calls(), cpu: await cpuSeconds(upstream) };
  await upstream.release();
  // Nothing ends before that.
  await sleep(spreadSeconds * 900);
  await until(pool, 'select count(*) from bench_seen', jobs);
  const passed = (performance.now() - before.at) / 1000;
  const [calls, cpu] = [await upstream.calls(), await cpuSeconds(upstream)];
  const ends = await upstream.ends();
  const { rows } = await pool.query<{ id: string; at: Date }>(
    `select attempts.operation ->> 'id' as id, bench_seen.at from bench_seen join attempts using (job_id)`,
  );
  const { rows: completed } = await pool.query(`select from jobs where status = 'completed'`);
  return {
    latenciesMs: rows.map(({ id, at }) => at.getTime() - (ends.get(id) ?? Number.NaN)),
    calls: {
      list: (calls.list - before.calls.list) / passed,
      single: (calls.single - before.calls.single) / passed,
    },
    cores: {
      node: (cpu.node - before.cpu.node) / passed,
      postgres: (cpu.postgres - before.cpu.postgres) / passed,
    },
    archived: completed.length,
  };
}

/** Of this process, which is the server, and of its PostgreSQL. */
async function cpuSeconds(upstream: Upstream): Promise<{ node: number; postgres: number }> {
  const facts = await processTree(process.pid);
  const sum = (which: (name: string, pid: number) => boolean) =>
    facts.filter(({ name, pid }) => which(name, pid)).reduce((total, { cpuSeconds: s }) => total + s, 0);
  const node = sum((_name, pid) => pid === process.pid);
  return { node, postgres: sum((name, pid) => /postgres/.test(name) && pid !== upstream.pid) };
}

/** Waits until a count is reached; throws when nothing moves any more. */
async function until(pool: Pool, query: string, goal: number): Promise<void> {
  let [last, movedAt] = [-1, performance.now()];
  for (;;) {
    const count = Number((await pool.query<{ count: string }>(query)).rows[0]?.count);
    if (count >= goal) return;
    if (count !== last) [last, movedAt] = [count, performance.now()];
    if (performance.now() - movedAt > STANDSTILL_MS) throw new Error(`it stands at ${count} of ${goal}`);
    await sleep(200);
  }
}

const STANDSTILL_MS = 120_000;
