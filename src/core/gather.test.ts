import { expect, test } from 'vitest';
import { gather } from './gather.ts';

interface Faults {
  most?: number;
  fails?: (items: string[]) => Error | undefined;
}

/** Calls that end when they are told to, and what they were asked for. */
function calls({ most = 10, fails }: Faults = {}) {
  const asked: string[][] = [];
  const ends: (() => void)[] = [];
  const one = gather<string, string>({
    laneOf: (item) => item.slice(0, 1),
    most,
    refuses: (error) => (error as Error).message === 'refused',
    run(items) {
      asked.push([...items]);
      return new Promise((resolve, reject) => {
        ends.push(() => {
          const error = fails?.([...items]);
          if (error) reject(error);
          else resolve(items.map((item) => item.toUpperCase()));
        });
      });
    },
  });
  /** Ends calls, those that begin meanwhile too, until none is left. */
  async function endAll(): Promise<void> {
    while (ends.length > 0) {
      ends.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return { one, asked, endAll };
}

test('one alone starts at once; what arrives meanwhile goes together, each with its own result', async () => {
  const { one, asked, endAll } = calls();
  const all = Promise.all(['a1', 'a2', 'a3'].map(one));
  expect(asked).toEqual([['a1']]);
  await endAll();
  expect(await all).toEqual(['A1', 'A2', 'A3']);
  expect(asked).toEqual([['a1'], ['a2', 'a3']]);
  const later = one('a4');
  await endAll();
  expect(await later).toBe('A4');
});

test('lanes do not wait for each other, and no call takes more than it may', async () => {
  const { one, asked, endAll } = calls({ most: 2 });
  const all = Promise.all(['a1', 'b1', 'a2', 'a3', 'a4'].map(one));
  expect(asked).toEqual([['a1'], ['b1']]);
  await endAll();
  await all;
  expect(asked.slice(2)).toEqual([['a2', 'a3'], ['a4']]);
});

test('one that is refused takes nobody with it', async () => {
  const { one, asked, endAll } = calls({
    fails: (items) => (items.includes('a3') ? new Error('refused') : undefined),
  });
  const all = Promise.allSettled(['a1', 'a2', 'a3', 'a4'].map(one));
  await endAll();
  expect((await all).map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'rejected',
    'fulfilled',
  ]);
  expect(asked).toEqual([['a1'], ['a2', 'a3', 'a4'], ['a2'], ['a3'], ['a4']]);
});

test('what may have been done is not done again: everybody learns of the failure', async () => {
  const { one, asked, endAll } = calls({
    fails: (items) => (items.length > 1 ? new Error('connection lost') : undefined),
  });
  const all = Promise.allSettled(['a1', 'a2', 'a3'].map(one));
  await endAll();
  expect((await all).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
  expect(asked).toEqual([['a1'], ['a2', 'a3']]);
});

test('a lane goes on after a failure', async () => {
  const { one, endAll } = calls({
    fails: ([item]) => (item === 'a1' ? new Error('connection lost') : undefined),
  });
  const all = Promise.allSettled([one('a1'), one('a2')]);
  await endAll();
  expect((await all).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
});
