import { expect, it, vi } from 'vitest';
import { createReleaseDead } from './release.ts';

/** A database that gives the lease to whoever holds it by the test's word; counts the sweeps. */
function stage() {
  let now = 100_000;
  let sweeps = 0;
  const lease = { isOurs: true };
  const executeSql = vi.fn((text: string) => {
    if (text.startsWith('insert into leases')) return Promise.resolve({ rows: lease.isOurs ? [{}] : [] });
    sweeps += 1;
    return Promise.resolve({ rows: [] });
  });
  const releaseDead = createReleaseDead({ executeSql }, () => now);
  return {
    lease,
    async lookAfter(ms: number) {
      now += ms;
      const before = sweeps;
      await releaseDead();
      return sweeps > before;
    },
  };
}

it('only the holder of the lease sweeps', async () => {
  const { lease, lookAfter } = stage();
  expect(await lookAfter(1000)).toBe(true);
  lease.isOurs = false;
  expect(await lookAfter(1000)).toBe(false);
  lease.isOurs = true;
  expect(await lookAfter(1000)).toBe(true);
});

it('after an outage of the database living workers first get time to say that they are', async () => {
  const { lookAfter } = stage();
  expect(await lookAfter(1000)).toBe(true);
  expect(await lookAfter(20_000)).toBe(false);
  expect(await lookAfter(3000)).toBe(false);
  expect(await lookAfter(3000)).toBe(true);
});
