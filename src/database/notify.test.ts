import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { systemClock } from '../core/clock.ts';
import { createListener, notify } from './notify.ts';
import { silentLog } from './silent-log.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

function listen(url = database.url) {
  return createListener({ url, log: silentLog, clock: systemClock });
}

test('hears its channels, and a transaction only when it commits', async () => {
  const listener = listen();
  const heard: string[] = [];
  const { promise: last, resolve } = Promise.withResolvers<void>();
  listener.on('one', (payload) => heard.push(payload));
  listener.on('Two words', (payload) => {
    heard.push(payload);
    resolve();
  });
  await listener.ready();
  await notify(database.db, 'other', 'not heard');
  await notify(database.db, 'one', 'a');
  const undone = database.db.transaction().execute(async (tx) => {
    await notify(tx, 'one', 'undone');
    throw new Error('undo');
  });
  await expect(undone).rejects.toThrow('undo');
  await database.db.transaction().execute((tx) => notify(tx, 'Two words', 'b'));
  await last;
  expect(heard).toEqual(['a', 'b']);
  await listener.stop();
});

test('comes back after its connection was cut, and says so', async () => {
  const listener = listen();
  const disconnected = vi.fn();
  listener.onDisconnect(disconnected);
  const back = new Promise<void>((resolve) => listener.onReconnect(resolve));
  const payload = new Promise<string>((resolve) => void listener.on('again', resolve));
  await listener.ready();
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'sora-studio listen' and datname = current_database()`.execute(database.db);
  await back;
  expect(disconnected).toHaveBeenCalledOnce();
  await notify(database.db, 'again', 'still here');
  expect(await payload).toBe('still here');
  await listener.stop();
});

test('keeps trying while the server is away, on the given clock', async () => {
  const delays: number[] = [];
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const clock = {
    now: () => 0,
    after(ms: number, callback: () => void) {
      delays.push(ms);
      if (delays.length === 6) resolve();
      else setImmediate(callback);
      return () => {};
    },
  };
  const listener = createListener({ url: 'postgresql://x@127.0.0.1:1/x', log: silentLog, clock });
  await enough;
  expect(delays[5]).toBeGreaterThan(delays[0] ?? Infinity);
  await listener.stop();
  await listener.ready();
});

test('a callback that throws does not keep the others from hearing, and one can leave', async () => {
  const listener = listen();
  const left = vi.fn();
  const leave = listener.on('crowd', left);
  listener.on('crowd', () => {
    throw new Error('mine');
  });
  const heard = new Promise<string>((resolve) => void listener.on('crowd', resolve));
  await listener.ready();
  leave();
  await notify(database.db, 'crowd', 'x');
  expect(await heard).toBe('x');
  expect(left).not.toHaveBeenCalled();
  await listener.stop();
});

test('notices a peer that no longer answers', async (context) => {
  if (process.env.TEST_DATABASE_URL) return context.skip('needs a server process of this machine');
  const listener = createListener({ url: database.url, log: silentLog, clock: systemClock, keepAliveMs: 15 });
  const back = new Promise<void>((resolve) => listener.onReconnect(resolve));
  await listener.ready();
  // A stopped server process keeps its connection open and says nothing.
  const { rows } = await sql<{ pid: number }>`select pid from pg_stat_activity
    where application_name = 'sora-studio listen' and datname = current_database()`.execute(database.db);
  const pid = rows[0]?.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  try {
    await back;
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await listener.stop();
});

test('refuses a payload that PostgreSQL would', async () => {
  await expect(notify(database.db, 'one', 'ü'.repeat(4_000))).rejects.toThrow(RangeError);
});
