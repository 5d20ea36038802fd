import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs } from './backoff.ts';
import { systemClock, sleep } from './clock.ts';
import { AppError, ERRORS } from './errors.ts';
import { newId, newSecret } from './ids.ts';
import { asObject } from './json.ts';
import { createLifecycle } from './lifecycle.ts';
import { startLoop } from './loop.ts';
import { exactMicros, microsToUsd, usdToMicros } from './money.ts';

test('backoff grows, keeps its jitter between half and all, and has an end', () => {
  const backoff = { baseMs: 100, factor: 2, maxMs: 1000 };
  expect([0, 1, 2, 3, 4, 50].map((retry) => backoffMs(backoff, retry, () => 1))).toEqual([
    100, 200, 400, 800, 1000, 1000,
  ]);
  expect(backoffMs(backoff, 1, () => 0)).toBe(100);
});

test('money survives the way to USD and back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e12 }), (micros) => usdToMicros(microsToUsd(micros)) === micros),
  );
  expect(() => usdToMicros(Number.NaN)).toThrow(RangeError);
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1e15 }),
      (micros) => exactMicros(microsToUsd(micros), 'usd') === micros,
    ),
  );
  expect(exactMicros(0.1 + 0.2, 'usd')).toBe(300_000);
  for (const fine of [0.0000004, 0.0000015, 1.0000001])
    expect(() => exactMicros(fine, 'usd')).toThrow(AppError);
});

test('ids sort by time and secrets do not repeat', () => {
  const ids = Array.from({ length: 100 }, () => newId('video'));
  expect(ids).toEqual(ids.toSorted());
  expect(new Set(Array.from({ length: 100 }, () => newSecret('sk'))).size).toBe(100);
});

test('an error carries the status of its code', () => {
  expect(new AppError('job_not_found')).toMatchObject({ status: 404, message: ERRORS.job_not_found.message });
});

test('only plain objects are objects', () => {
  expect([null, [], 'x', 1, undefined].map(asObject)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('parts stop in reverse order, once, and one that fails stops nobody', async () => {
  const lifecycle = createLifecycle();
  const stopped: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    lifecycle.onStop(name, () => {
      stopped.push(name);
      if (name === 'b') throw new Error('stuck');
    });
  }
  const problems: string[] = [];
  await Promise.all([
    lifecycle.stop((part, message) => problems.push(`${part}: ${message}`)),
    lifecycle.stop(),
  ]);
  expect(stopped).toEqual(['c', 'b', 'a']);
  expect(problems).toEqual(['b: stuck']);
});

test('a sleep ends early when its signal aborts', async () => {
  const controller = new AbortController();
  const sleeping = sleep(systemClock, 60_000, controller.signal);
  controller.abort();
  await sleeping;
  await sleep(systemClock, 60_000, controller.signal);
});

test('a loop runs again at once while there is more, on a wake, and after an error; never twice at a time', async () => {
  const rounds: (() => void)[] = [];
  const errors: unknown[] = [];
  let active = 0;
  const results = [true, false, new Error('once'), false];
  const loop = startLoop({
    clock: { now: () => 0, after: () => () => {} },
    intervalMs: 1000,
    onError: (error) => errors.push(error),
    async round() {
      active += 1;
      expect(active).toBe(1);
      await new Promise<void>((resolve) => rounds.push(resolve));
      active -= 1;
      const result = results.shift();
      if (result instanceof Error) throw result;
      return result ?? false;
    },
  });
  const next = async () => {
    await expect.poll(() => rounds.length, { interval: 1 }).toBe(1);
    rounds.shift()?.();
    await Promise.resolve();
  };
  await next();
  await next();
  await new Promise((resolve) => setImmediate(resolve));
  expect(rounds).toHaveLength(0);
  loop.wake();
  await next();
  await expect.poll(() => errors.length, { interval: 1 }).toBe(1);
  loop.wake();
  await next();
  await loop.stop();
});
