import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../core/clock.ts';
import { silentLog } from '../database/silent-log.ts';
import { createTestDatabase, type TestDatabase } from '../database/testing.ts';
import { PutBack } from './put-back.ts';
import { createQueue } from './queue.ts';
import type { Queue, TaskKind } from './task.ts';

type Kind = TaskKind<{ n: number }>;

/** A process's queue on a database, at work in real time, with one kind of task. */
async function atWork(database: TestDatabase, kind: Partial<Kind> & Pick<Kind, 'handle'>): Promise<Queue> {
  const queue = createQueue({ url: database.url, log: silentLog, clock: systemClock });
  queue.define<{ n: number }>({ name: 'test', concurrency: 2, timeoutSeconds: 60, ...kind });
  await queue.start({ work: true });
  onTestFinished(() => queue.stop(0));
  return queue;
}

async function database(): Promise<TestDatabase> {
  const made = await createTestDatabase();
  onTestFinished(() => made.drop());
  return made;
}

function send({ db }: TestDatabase, queue: Queue, n: number): Promise<void> {
  return db.transaction().execute((tx) => queue.send(tx, 'test', [{ key: `k${n}`, data: { n } }]));
}

function signalled(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

const begun = () => Promise.withResolvers<void>();

test('what drains is heard to its end by a stop, and is told of it', async () => {
  const base = await database();
  const started = begun();
  let wasTold = false;
  let end = '';
  const queue = await atWork(base, {
    drains: true,
    async handle({ stopping, signal }) {
      started.resolve();
      await signalled(stopping);
      wasTold = true;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      end = signal.aborted ? 'cut' : 'heard';
    },
  });
  await send(base, queue, 1);
  await started.promise;
  await queue.stop(20_000);
  expect({ wasTold, end }).toEqual({ wasTold: true, end: 'heard' });
});

test('what does not drain is cut at once, and another process begins it without a pause', async () => {
  const base = await database();
  const started = begun();
  const queue = await atWork(base, {
    async handle({ signal }) {
      started.resolve();
      await signalled(signal);
      signal.throwIfAborted();
    },
  });
  await send(base, queue, 1);
  await started.promise;
  const stoppedAt = performance.now();
  await queue.stop(60_000);
  expect(performance.now() - stoppedAt).toBeLessThan(3000);
  const retries = Promise.withResolvers<number>();
  await atWork(base, { handle: async (task) => retries.resolve(task.retries) });
  expect(await retries.promise).toBe(0);
  expect(performance.now() - stoppedAt).toBeLessThan(5000);
});

test('a drain that takes longer than it may is cut, so that the stop keeps its time', async () => {
  const base = await database();
  const started = begun();
  const queue = await atWork(base, {
    drains: true,
    async handle({ signal }) {
      started.resolve();
      await signalled(signal);
    },
  });
  await send(base, queue, 1);
  await started.promise;
  const stoppedAt = performance.now();
  await queue.stop(4000);
  const tookMs = performance.now() - stoppedAt;
  expect(tookMs).toBeGreaterThan(900);
  expect(tookMs).toBeLessThan(4000);
});

test('a task that is put back waits, counts no retry, and is begun by another process', async () => {
  const base = await database();
  const times: number[] = [];
  const here = await atWork(base, {
    async handle() {
      times.push(performance.now());
      throw new PutBack('not known here', 700);
    },
  });
  await send(base, here, 1);
  await expect.poll(() => times.length, { timeout: 10_000 }).toBeGreaterThan(1);
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(650);
  const retries = Promise.withResolvers<number>();
  await atWork(base, { handle: async (task) => retries.resolve(task.retries) });
  await here.stop(0);
  expect(await retries.promise).toBe(0);
});
