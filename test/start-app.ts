import { rm } from 'node:fs/promises';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { createApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import { createTestDatabase } from '../src/database/testing.ts';
import { ADMIN_KEY, testSettings } from './test-env.ts';

export interface RunningApp {
  /** `http://127.0.0.1:PORT` */
  url: string;
  key: string;
}

/** The whole app as users run it: listening on a port, working by itself, in real time. */
export async function startApp(env: Record<string, string> = {}): Promise<RunningApp> {
  const database = await createTestDatabase();
  const { dataDir, settings } = await testSettings(env);
  const config = loadConfig(settings);
  const logger = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
  const app = await createApp({ config, databaseUrl: database.url, logger });
  onTestFinished(async () => {
    await app.stop();
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });
  return { url: await app.start(), key: ADMIN_KEY };
}
