import { rm } from 'node:fs/promises';
import { pino } from 'pino';
import { createApp, type App } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import type { TestApp } from './create-test-app.ts';
import { testSettings } from './test-env.ts';

/** Another process's app on the same database and the same clock. Stop it when done. */
export async function secondApp(
  { databaseUrl, clock }: Pick<TestApp, 'databaseUrl' | 'clock'>,
  env: Record<string, string> = {},
): Promise<App> {
  const { dataDir, settings } = await testSettings(env);
  const app = await createApp({
    config: loadConfig(settings),
    databaseUrl,
    logger: pino({ level: process.env['TEST_LOG'] ?? 'silent' }),
    clock,
    bossClock: clock.bossClock,
  });
  await app.prepare();
  return {
    ...app,
    async stop() {
      await app.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
