import { join } from 'node:path';
import { Client } from 'pg';
import { startBenchApp } from './bench-app.ts';
import { copyJobs, firstJob } from './job-copies.ts';
import { type BenchmarkOptions, median, perSecond, type Report } from './report.ts';

const CLIENTS = 48;
const GOAL = 0.8;

/** Between two stages of one status, so that every commit is one that a client may wait for. */
const UPDATE = `update jobs set stage = case stage when 'rendering' then 'archiving' else 'rendering' end,
  updated_at = clock_timestamp() where id = $1`;

/** Nothing that the engine would look after before tomorrow; the pattern has the only place. */
const RUNNING = `status = 'processing', stage = 'rendering', started_at = now(),
  due_at = now() + interval '1 day'`;

/** The triggers by which a change of a job tells other processes. */
const TRIGGERS = `select tgname as name from pg_trigger join pg_proc on pg_proc.oid = tgfoid
  where tgrelid = 'jobs'::regclass and not tgisinternal and (prosrc ~* 'notify' or proname ~* 'notify')`;

/** What it costs that changes are told: commits of many clients with the triggers and without, in turns. */
export default async function notify({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const bench = await startBenchApp(join(folder, 'data'), { MAX_RUNNING: '1' }, { max_connections: '120' });
  const connect = async () => {
    const client = new Client({ connectionString: bench.databaseUrl });
    await client.connect();
    return client;
  };
  const admin = await connect();
  const clients = await Promise.all(Array.from({ length: CLIENTS }, connect));
  const pattern = await firstJob(bench.app);
  const ids = await copyJobs(admin, pattern, CLIENTS, RUNNING);
  const { rows: triggers } = await admin.query<{ name: string }>(TRIGGERS);
  const rates: Record<'with' | 'without', number[]> = { with: [], without: [] };
  const rounds = quick ? 2 : 6;
  // The first round warms up.
  for (let round = 0; round <= rounds; round += 1) {
    for (const side of ['without', 'with'] as const) {
      const word = side === 'with' ? 'enable' : 'disable';
      for (const { name } of triggers) await admin.query(`alter table jobs ${word} trigger ${name}`);
      const rate = await commitsPerSecond(clients, ids, quick ? 1000 : 3000);
      if (round > 0) rates[side].push(rate);
    }
  }
  await Promise.all([...clients, admin].map((client) => client.end()));
  await bench.stop();
  const ratio = median(rates.with.map((rate, round) => rate / (rates.without[round] ?? Number.NaN)));
  return {
    rows: [
      {
        what: `commits of ${CLIENTS} clients that change jobs`,
        measured: perSecond(median(rates.with)),
        reference: `${perSecond(median(rates.without))} untold`,
        ratio,
        goal: '≥ 80 %',
        isMet: ratio >= GOAL,
      },
    ],
    notes: [`triggers: ${triggers.map(({ name }) => name).join(', ') || 'none'}`],
  };
}

/** Each client changes a job of its own, over and over. */
async function commitsPerSecond(
  clients: readonly Client[],
  ids: readonly string[],
  ms: number,
): Promise<number> {
  const end = performance.now() + ms;
  let commits = 0;
  await Promise.all(
    clients.map(async (client, nth) => {
      while (performance.now() < end) {
        await client.query({ name: 'change', text: UPDATE, values: [ids[nth]] });
        commits += 1;
      }
    }),
  );
  return commits / (ms / 1000);
}
