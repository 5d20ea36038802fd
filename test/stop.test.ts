import { rm } from 'node:fs/promises';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { type App, createApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import { createTestDatabase, type TestDatabase } from '../src/database/testing.ts';
import { only, serveProvider } from './provider-server.ts';
import { ADMIN_KEY, testSettings } from './test-env.ts';

/** An app that works by itself on a database that outlives it. */
async function atWork(env: Record<string, string>) {
  const database = await createTestDatabase();
  const { dataDir, settings } = await testSettings(env);
  const config = loadConfig({ ...settings, DATABASE_URL: database.url });
  const app = await createApp({
    config,
    databaseUrl: database.url,
    logger: pino({ level: process.env['TEST_LOG'] ?? 'silent' }),
  });
  onTestFinished(async () => {
    await app.stop();
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });
  const url = await app.start();
  async function create() {
    const response = await fetch(`${url}/api/v1/videos`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'x', model: 'simulator', resolution: '854x480', duration: 3 }),
    });
    expect(response.status).toBe(201);
  }
  return { app, database, create };
}

async function stopped(app: App): Promise<number> {
  const startedAt = performance.now();
  await app.stop();
  return performance.now() - startedAt;
}

const attempts = ({ db }: TestDatabase) =>
  db.selectFrom('attempts').select(['state', 'error_code']).execute();

test('a stop while providers take their time hears every paid call to its end', async () => {
  const { url, creates } = await serveProvider({
    async create(call) {
      await new Promise((resolve) => setTimeout(resolve, 4000 + 500 * call));
      return { id: `up_${call}`, object: 'video', status: 'queued' };
    },
  });
  const { app, database, create } = await atWork(only(url));
  await Promise.all([create(), create(), create()]);
  await expect.poll(creates, { timeout: 20_000 }).toBe(3);
  await stopped(app);
  expect(await attempts(database)).toEqual(
    Array.from({ length: 3 }, () => ({ state: 'accepted', error_code: null })),
  );
}, 60_000);

test('a call that takes longer than a stop may is given up in time, and is doubtful', async () => {
  const { url, creates } = await serveProvider({ create: () => new Promise<object>(() => {}) });
  const { app, database, create } = await atWork({ ...only(url), DRAIN_TIMEOUT: '5000' });
  await create();
  await expect.poll(creates, { timeout: 20_000 }).toBe(1);
  expect(await stopped(app)).toBeLessThan(5000);
  expect(await attempts(database)).toMatchObject([{ state: 'unconfirmed' }]);
}, 60_000);

test('a stop without a paid call under way waits for nothing, whatever DRAIN_TIMEOUT says', async () => {
  const { url } = await serveProvider({
    create: () => ({ id: 'up_1', object: 'video', status: 'queued' }),
    get: () => ({ id: 'up_1', object: 'video', status: 'in_progress', progress: 1 }),
  });
  const { app, database, create } = await atWork({ ...only(url), DRAIN_TIMEOUT: '600000' });
  await create();
  await expect
    .poll(() => attempts(database), { timeout: 20_000 })
    .toEqual([{ state: 'accepted', error_code: null }]);
  expect(await stopped(app)).toBeLessThan(5000);
}, 60_000);
