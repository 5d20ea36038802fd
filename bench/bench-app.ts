import { type App, createApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import { startEmbedded } from '../src/database/embedded.ts';
import { migrate } from '../src/database/migrate.ts';
import { createLogger } from '../src/logger.ts';
import { join } from 'node:path';
import { ROOT } from './machine.ts';
import { freePort } from './ports.ts';

export const KEY = 'key-of-the-benchmarks';
export const AUTHORIZED = { authorization: `Bearer ${KEY}` };

export interface BenchApp {
  app: App;
  /** Where it listens. */
  address: string;
  databaseUrl: string;
  stop(): Promise<void>;
}

/**
 * The real app in this process on an embedded PostgreSQL of its own: limits raised, everything else at its default,
 * the log included. `postgres`: settings of PostgreSQL that the benchmark cannot do without.
 */
export async function startBenchApp(
  dataDir: string,
  env: Record<string, string> = {},
  postgres: Record<string, string> = {},
): Promise<BenchApp> {
  const config = loadConfig({
    API_KEY: KEY,
    DATA_DIR: dataDir,
    RATE_LIMIT_MAX: '1000000000',
    CREATE_LIMIT_MAX: '1000000000',
    PATH: process.env['PATH'],
    PORT: String(await freePort()),
    ...env,
  });
  const log = createLogger(config);
  const database = await startEmbedded({ dataDir, log, settings: postgres });
  await migrate(database.url, { dir: join(ROOT, 'migrations'), log });
  const app = await createApp({ config, databaseUrl: database.url, logger: log });
  const address = await app.start();
  return {
    app,
    address,
    databaseUrl: database.url,
    async stop() {
      await app.stop();
      await database.stop();
    },
  };
}
