import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { App } from '../src/app.ts';
import { ADMIN_KEY } from './test-env.ts';
import { createTestApp, type TestApp } from './create-test-app.ts';
import { holder, person } from './keys-kit.ts';
import { hasRedis, ownRedis, SHARED_REDIS } from './redis.ts';
import { secondApp } from './second-app.ts';

const LIST = '/api/v1/videos';
const hasShared = await hasRedis(SHARED_REDIS);
const hasServer = isInstalled();
if (!hasShared) console.log(`skipped: no Redis answers at ${SHARED_REDIS}`);
if (!hasServer) console.log('skipped: redis-server is not installed');

function isInstalled(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const statusesOf = (answers: { statusCode: number }[]) => {
  const count = (status: number) => answers.filter(({ statusCode }) => statusCode === status).length;
  return { ok: count(200), limited: count(429), other: answers.length - count(200) - count(429) };
};

describe.runIf(hasShared)('two processes with one Redis', () => {
  const prefix = `test:${Math.random().toString(36).slice(2)}:`;
  const env = {
    REDIS_URL: SHARED_REDIS,
    REDIS_PREFIX: prefix,
    RATE_LIMIT_MAX: '20',
    USER_LIMIT_FACTOR: '1',
    AUTH_FAILURES_MAX: '5',
  };
  const client = new Redis(SHARED_REDIS, { lazyConnect: true });
  const names = () => client.keys(`${prefix}*`);
  let cleanUp: () => Promise<void>;
  let first: TestApp;
  let second: App;

  beforeAll(async () => {
    await client.connect();
    first = await createTestApp(env, (clean) => (cleanUp = clean));
    second = await secondApp(first, env);
  });
  afterAll(async () => {
    await second.stop();
    await cleanUp();
    for (const name of await names()) await client.del(name);
    client.disconnect();
  });

  test('share a limit exactly, however many requests come at once', async () => {
    const { key } = await person(first);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => holder(n % 2 === 0 ? first.app : second, key)('GET', LIST)),
    );
    expect(statusesOf(answers)).toEqual({ ok: 20, limited: 30, other: 0 });
    expect(answers.filter(({ headers }) => headers['retry-after'] !== undefined)).toHaveLength(30);
    const ofUser = (await names()).filter((name) => name.includes('limit:all:'));
    // The window ends by itself, also if every process dies now.
    for (const name of ofUser) expect(await client.pttl(name)).toBeGreaterThan(0);
    for (const name of ofUser) await client.del(name);
    expect((await holder(second, key)('GET', LIST)).headers['ratelimit-remaining']).toBe('19');
  });

  test('count failed attempts together', async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      const app = n % 2 === 0 ? first.app : second;
      statuses.push((await holder(app, `guess-${n}`)('GET', LIST)).statusCode);
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
  });

  test('say how Redis is', async () => {
    const { statusCode, body } = await second.server.inject({ method: 'GET', url: '/ready' });
    expect(statusCode).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ checks: { redis: { ok: true } } });
  });
});

test.runIf(hasServer)(
  'when Redis goes away every request is still served and still limited, and when it is back it counts again',
  async () => {
    const redis = await ownRedis();
    await redis.start();
    try {
      const all = await createTestApp({ REDIS_URL: redis.url, RATE_LIMIT_MAX: '3' });
      const { app, clock } = all;
      const ready = async () =>
        (await app.server.inject({ method: 'GET', url: '/ready' })).json() as {
          ready: boolean;
          checks: { redis: { ok: boolean } };
        };
      const counted = async () => {
        const client = new Redis(redis.url, { lazyConnect: true });
        await client.connect();
        const names = await client.keys('sora:limit:all:*');
        client.disconnect();
        return names.length;
      };
      const [before, during, after] = [await person(all), await person(all), await person(all)];
      expect((await before.request('GET', LIST)).statusCode).toBe(200);
      expect(await counted()).toBe(2);
      await redis.stop();
      const answers = [];
      for (let n = 0; n < 5; n += 1) answers.push(await during.request('GET', LIST));
      expect(statusesOf(answers)).toEqual({ ok: 3, limited: 2, other: 0 });
      // There is something to do without it: a balancer is to go on sending requests.
      expect(await ready()).toMatchObject({ ready: true, checks: { redis: { ok: false } } });
      await redis.start();
      await vi.waitFor(async () => expect((await ready()).checks.redis.ok).toBe(true), 10_000);
      await clock.advance(2000);
      await after.request('GET', LIST);
      expect(await counted()).toBe(2);
    } finally {
      await redis.stop();
    }
  },
);

test('a Redis that takes connections and never answers keeps nothing waiting for long', async () => {
  const mute = createServer(() => {}).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  const { port } = mute.address() as AddressInfo;
  const all = await createTestApp({ REDIS_URL: `redis://127.0.0.1:${port}`, RATE_LIMIT_MAX: '2' });
  const ask = holder(all.app, ADMIN_KEY);
  const answers = [await ask('GET', LIST), await ask('GET', LIST), await ask('GET', LIST)];
  expect(statusesOf(answers)).toEqual({ ok: 2, limited: 1, other: 0 });
  mute.close();
});

test('a Redis that was never there keeps nothing from starting, and one that is not set is not looked for', async () => {
  const all = await createTestApp({ REDIS_URL: 'redis://:secret@127.0.0.1:1', RATE_LIMIT_MAX: '2' });
  const ask = holder(all.app, ADMIN_KEY);
  const answers = [await ask('GET', LIST), await ask('GET', LIST), await ask('GET', LIST)];
  expect(statusesOf(answers)).toEqual({ ok: 2, limited: 1, other: 0 });
  const without = await secondApp(all);
  const ready = await without.server.inject({ method: 'GET', url: '/ready' });
  await without.stop();
  expect(ready.json()).not.toHaveProperty('checks.redis');
});
