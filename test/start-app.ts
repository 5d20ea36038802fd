import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { createApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import { createTestDatabase } from '../src/database/testing.ts';
import { ADMIN_KEY } from './create-test-app.ts';

export interface RunningApp {
  /** `http://127.0.0.1:PORT` */
  url: string;
  key: string;
}

/** The whole app as users run it: listening on a port, working by itself, in real time. */
export async function startApp(env: Record<string, string> = {}): Promise<RunningApp> {
  const database = await createTestDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), 'sora-test-'));
  const config = loadConfig({
    API_KEY: ADMIN_KEY,
    DATA_DIR: dataDir,
    SIMULATOR_SPEED: '0',
    CREATE_LIMIT_MAX: '100000',
    RATE_LIMIT_MAX: '100000',
    PATH: process.env['PATH'],
    PORT: '0',
    ...env,
  });
  const logger = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
  const app = await createApp({ config, databaseUrl: database.url, logger });
  onTestFinished(async () => {
    await app.stop();
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });
  return { url: await app.start(), key: ADMIN_KEY };
}
