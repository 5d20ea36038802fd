import { join } from 'node:path';
import { Pool } from 'pg';
import { createApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import { startEmbedded } from '../src/database/embedded.ts';
import { migrate } from '../src/database/migrate.ts';
import { silentLog } from '../src/database/silent-log.ts';
import { createLogger } from '../src/logger.ts';
import { AUTHORIZED, KEY } from './bench-app.ts';
import { copyJobs, firstJob } from './job-copies.ts';
import { ROOT } from './machine.ts';
import { type BenchmarkOptions, median, percentile, type Report } from './report.ts';

const GOAL_MS = 10;
const PEOPLE = 500;
const ENV = { MAX_RUNNING: '1', RATE_LIMIT_MAX: '1000000', CREATE_LIMIT_MAX: '1000000', LOG_LEVEL: 'warn' };

/** One free place and a great many who wait for it: how long the choice takes, its commit included. */
export default async function admission({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const dataDir = join(folder, 'data');
  const config = loadConfig({ ...ENV, API_KEY: KEY, DATA_DIR: dataDir, PATH: process.env['PATH'] });
  const logger = createLogger(config);
  const database = await startEmbedded({ dataDir, log: silentLog });
  await migrate(database.url, { dir: join(ROOT, 'migrations'), log: silentLog });
  const app = await createApp({ config, databaseUrl: database.url, logger });
  // Not started: the engine takes the one step that is measured, and no other.
  await app.prepare();
  const pool = new Pool({ connectionString: database.url, max: 1 });
  const waiting = quick ? 10_000 : 100_000;
  const rounds = quick ? 10 : 40;
  const times: number[] = [];
  try {
    await copyJobs(pool, await firstJob(app), waiting, undefined, PEOPLE);
    await pool.query('vacuum analyze jobs');
    for (let round = 0; round <= rounds; round += 1) {
      const startedAt = performance.now();
      await app.engine.step('admission');
      const tookMs = performance.now() - startedAt;
      // The first round warms up.
      if (round > 0) times.push(tookMs);
      const { rows } = await pool.query<{ id: string }>(`select id from jobs where status = 'processing'`);
      if (rows.length !== 1) throw new Error(`${rows.length} jobs were admitted to one place`);
      const url = `/api/v1/videos/${rows[0]?.id}`;
      const { statusCode, body } = await app.server.inject({ method: 'DELETE', url, headers: AUTHORIZED });
      if (statusCode !== 200) throw new Error(body);
    }
  } finally {
    await pool.end();
    await app.stop();
    await database.stop();
  }
  const measured = median(times);
  return {
    rows: [
      {
        what: `admission, one place, ${waiting.toLocaleString('en')} waiting`,
        measured: `${measured.toFixed(1)} ms`,
        reference: `p95 ${percentile(times, 95).toFixed(1)} ms`,
        goal: `≤ ${GOAL_MS} ms`,
        isMet: measured <= GOAL_MS,
      },
    ],
  };
}
