import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { pino } from 'pino';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { type App, type AppOptions, createApp } from '../src/app.ts';
import { insertKey, insertUser } from '../src/accounts/accounts.repository.ts';
import { loadConfig } from '../src/config.ts';
import type { Database } from '../src/database/open.ts';
import { createTestDatabase } from '../src/database/testing.ts';
import { type JobView, viewJob } from '../src/jobs/job-view.ts';
import { createMedia } from '../src/media/media.ts';
import { rememberingMedia } from './remembering-media.ts';
import { createTestClock, type TestClock } from './test-clock.ts';
import { ADMIN_KEY, CLIPS_VARIABLE, testSettings } from './test-env.ts';

/** A caller with a key: requests against the app without a network. */
export interface Caller {
  key: string;
  request(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'HEAD',
    url: string,
    body?: object,
  ): Promise<LightMyRequestResponse>;
  inject(options: InjectOptions): Promise<LightMyRequestResponse>;
  /** Creates a video and returns it; fails the test when it is refused. */
  create(body?: object): Promise<JobView>;
  get(jobId: string): Promise<JobView>;
}

export interface TestApp {
  app: App;
  db: Database;
  databaseUrl: string;
  clock: TestClock;
  dataDir: string;
  admin: Caller;
  /** Another user, with a key of their own. */
  user(name?: string): Promise<Caller>;
  /** Lets the engine do all that is due, over and over, moving time on, until the job is finished. */
  finish(jobId: string): Promise<JobView>;
  /** Lets the engine do all that is due now. */
  settle(): Promise<void>;
}

/** One app for all tests of a file, for those that leave nothing behind which others could see. */
export function useTestApp(env: Record<string, string> = {}): () => TestApp {
  let shared: TestApp | undefined;
  let cleanUp: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    shared = await createTestApp(env, (clean) => (cleanUp = clean));
  });
  afterAll(() => cleanUp?.());
  return () => {
    if (!shared) throw new Error('the app is there only inside tests');
    return shared;
  };
}

/** A small clip: tests that are not about size render fast. */
export const SMALL = { prompt: 'a small test clip', resolution: '64x64', duration: 1 };

/** The whole app on a database of its own, with a clock and an engine that only the test moves. */
export async function createTestApp(
  env: Record<string, string> = {},
  atEnd: (cleanUp: () => Promise<void>) => void = onTestFinished,
  options: Pick<AppOptions, 'lookup'> = {},
): Promise<TestApp> {
  const database = await createTestDatabase();
  const { dataDir, settings } = await testSettings(env);
  const clock = createTestClock();
  const config = loadConfig(settings);
  const media = createMedia({ path: config.executablePath });
  const clips = process.env[CLIPS_VARIABLE];
  const app = await createApp({
    config,
    databaseUrl: database.url,
    logger: pino({ level: process.env['TEST_LOG'] ?? 'silent' }),
    clock,
    bossClock: clock.bossClock,
    media: clips === undefined ? media : rememberingMedia(media, join(clips, 'media')),
    ...options,
  });
  await app.prepare();
  atEnd(async () => {
    await app.stop();
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  function caller(key: string): Caller {
    const inject = (options: InjectOptions) =>
      app.server.inject({ ...options, headers: { authorization: `Bearer ${key}`, ...options.headers } });
    const self: Caller = {
      key,
      inject,
      request: (method, url, body) => inject({ method, url, ...(body ? { payload: body } : {}) }),
      async create(body = SMALL) {
        const response = await self.request('POST', '/api/v1/videos', body);
        if (response.statusCode !== 201) throw new Error(`create: ${response.body}`);
        return (response.json() as { data: JobView }).data;
      },
      async get(jobId) {
        return ((await self.request('GET', `/api/v1/videos/${jobId}`)).json() as { data: JobView }).data;
      },
    };
    return self;
  }

  async function settle(): Promise<void> {
    for (let rounds = 0; (await app.engine.runOnce()) > 0; rounds += 1) {
      if (rounds > 1000) throw new Error('the engine does not come to rest');
    }
  }

  return {
    app,
    db: database.db,
    databaseUrl: database.url,
    clock,
    dataDir,
    admin: caller(ADMIN_KEY),
    async user(name = 'somebody') {
      const key = `key-of-${name}-${Math.random()}`;
      const userId = await insertUser(database.db, { name, role: 'user' }, new Date(clock.now()));
      await insertKey(database.db, { userId, name, key }, new Date(clock.now()));
      return caller(key);
    },
    settle,
    async finish(jobId) {
      const find = database.db.selectFrom('jobs').selectAll().where('id', '=', jobId);
      for (let rounds = 0; rounds < 200; rounds += 1) {
        await settle();
        const job = await find.executeTakeFirstOrThrow();
        if (job.stage === 'finished') return viewJob(job);
        // What is not done by then waits for something slow, such as a verdict that needs hours.
        await clock.advance(rounds < 150 ? 5000 : 300_000);
      }
      throw new Error(`${jobId} does not finish`);
    },
  };
}
