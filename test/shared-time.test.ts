import { rm } from 'node:fs/promises';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { type App, createApp } from '../src/app.ts';
import { loadConfig } from '../src/config.ts';
import { createTestApp, SMALL, type TestApp } from './create-test-app.ts';
import { ADMIN_KEY, testSettings } from './test-env.ts';

/** Another process on the same database, on a machine whose clock can be set. */
async function skewedApp(app: TestApp, env: Record<string, string> = {}) {
  const machine = { skewMs: 0 };
  const { dataDir, settings } = await testSettings(env);
  async function start(skewMs: number): Promise<App> {
    machine.skewMs = skewMs;
    const other = await createApp({
      config: loadConfig(settings),
      databaseUrl: app.databaseUrl,
      logger: pino({ level: 'silent' }),
      clock: {
        now: () => app.clock.now() + machine.skewMs,
        after: (ms, callback) => app.clock.after(ms, callback),
      },
      bossClock: app.clock.bossClock,
    });
    onTestFinished(async () => {
      await other.stop();
      await rm(dataDir, { recursive: true, force: true });
    });
    await other.prepare();
    return other;
  }
  return { start, machine };
}

const readyOf = async (app: App) => {
  const response = await app.server.inject({ url: '/ready' });
  return { status: response.statusCode, clock: response.json().checks.clock as { message?: string } };
};

test.for([70_000, -70_000])('a process that starts %i ms off takes no work, and says why', async (skewMs) => {
  const app = await createTestApp();
  const other = await (await skewedApp(app)).start(skewMs);
  const { jobId } = await app.admin.create();
  expect(await other.engine.runOnce()).toBe(0);
  expect((await app.admin.get(jobId)).status).toBe('pending');
  const { status, clock } = await readyOf(other);
  expect(status).toBe(503);
  expect(clock.message).toContain(`70.0 s ${skewMs > 0 ? 'ahead of' : 'behind'}`);
  expect(clock.message).toContain('NTP');
  expect((await app.finish(jobId)).status).toBe('completed');
});

test('what a process with a wrong clock answers is in the time of the database', async () => {
  const app = await createTestApp();
  const other = await (await skewedApp(app)).start(26 * 3_600_000);
  const response = await other.server.inject({
    method: 'POST',
    url: '/api/v1/videos',
    headers: { authorization: `Bearer ${ADMIN_KEY}` },
    payload: SMALL,
  });
  expect(response.statusCode).toBe(201);
  const job = await app.db.selectFrom('jobs').select(['created_at', 'due_at']).executeTakeFirstOrThrow();
  expect(job.created_at.getTime()).toBe(app.clock.now());
  expect(job.due_at?.getTime()).toBe(app.clock.now());
});

test('a process that only answers requests stays ready with a wrong clock, and shows it', async () => {
  const app = await createTestApp();
  const other = await (await skewedApp(app, { ROLE: 'api', DATABASE_URL: app.databaseUrl })).start(70_000);
  const { status, clock } = await readyOf(other);
  expect(status).toBe(200);
  expect(clock.message).toContain('70.0 s ahead of');
});

test('a clock that is set while the process runs closes it to work, and opens it when it is right again', async () => {
  const app = await createTestApp();
  const { start, machine } = await skewedApp(app);
  const other = await start(0);
  const { jobId } = await app.admin.create();
  machine.skewMs = -8000;
  expect(await other.engine.runOnce()).toBe(0);
  expect((await readyOf(other)).status).toBe(503);
  machine.skewMs = 4000;
  expect(await other.engine.runOnce()).toBeGreaterThan(0);
  expect((await readyOf(other)).status).toBe(200);
  expect((await app.admin.get(jobId)).status).not.toBe('pending');
});
