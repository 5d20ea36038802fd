import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import { batchEvents, createBatch, getBatch, refusalOf } from './batch-requests.ts';
import { createTestApp, SMALL, type TestApp } from './create-test-app.ts';
import { testSettings } from './test-env.ts';

/** The same product once more, on the same database and with the same clock. */
async function secondApp(first: TestApp, env: Record<string, string>) {
  const { settings } = await testSettings({ ...env, DATA_DIR: first.dataDir });
  const app = await createApp({
    config: loadConfig(settings),
    databaseUrl: first.databaseUrl,
    logger: pino({ level: 'silent' }),
    clock: first.clock,
    bossClock: first.clock.bossClock,
  });
  await app.prepare();
  onTestFinished(() => app.stop());
  return app;
}

const ENV = { BATCH_MAX_VIDEOS: '50', MAX_RUNNING: '50' };

test('fifty jobs that end at once on two processes end their batch once; so does every retry', async () => {
  const first = await createTestApp(ENV);
  const second = await secondApp(first, ENV);
  const videos = Array.from({ length: 50 }, () => SMALL);
  const { batchId, jobIds } = await createBatch(first.admin, { videos });
  const headers = { authorization: `Bearer ${first.admin.key}` };
  const endAll = (ids: string[]) =>
    Promise.all(
      ids.map((id, index) => {
        const app = index % 2 ? first.app : second;
        return app.server.inject({ method: 'DELETE', url: `/api/v1/videos/${id}`, headers });
      }),
    );
  const expected = ['batch.created'];
  let ids = jobIds;
  for (let round = 0; round < 3; round += 1) {
    for (const { statusCode } of await endAll(ids)) expect(statusCode).toBe(200);
    expected.push('batch.cancelled');
    expect(await batchEvents(first, batchId)).toEqual(expected);
    const retries = await Promise.all(
      [first.app, second].map((app) =>
        app.server.inject({ method: 'POST', url: `/api/v1/batches/${batchId}/retry`, headers }),
      ),
    );
    const refused = retries.find(({ statusCode }) => statusCode !== 201);
    expect(refused && refusalOf(refused).code).toBe('nothing_to_retry');
    expected.push('batch.retried');
    ids = (await getBatch(first.admin, batchId, '?jobs=ids')).jobIds ?? [];
    expect(new Set(ids).size).toBe(50);
  }
});

test('two engines that work on one batch end it once', async () => {
  const first = await createTestApp({ ...ENV, SIMULATOR_SPEED: '0' });
  const second = await secondApp(first, { ...ENV, SIMULATOR_SPEED: '0' });
  const videos = Array.from({ length: 20 }, (_, index) => ({
    ...SMALL,
    prompt: index % 2 ? '[sim:fail] x' : '[sim:refused] x',
  }));
  const { batchId } = await createBatch(first.admin, { videos });
  for (let round = 0; round < 100; round += 1) {
    await Promise.all([first.app.engine.runOnce(), second.engine.runOnce()]);
    if ((await getBatch(first.admin, batchId, '?jobs=none')).completedAt !== null) break;
    await first.clock.advance(5000);
  }
  expect(await batchEvents(first, batchId)).toEqual(['batch.created', 'batch.failed']);
});
