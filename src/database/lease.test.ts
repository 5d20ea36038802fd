import { afterAll, beforeAll, expect, it } from 'vitest';
import { exclusively } from './exclusive.ts';
import { dropLease, takeLease } from './lease.ts';
import { createTestDatabase } from './testing.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeAll(async () => void (database = await createTestDatabase()));
afterAll(() => database.drop());

it('has one holder, who may renew it, until its time is over', async () => {
  const { db } = database;
  expect(await takeLease(db, 'a', 'one', 60_000)).toBe(true);
  expect(await takeLease(db, 'a', 'two', 60_000)).toBe(false);
  expect(await takeLease(db, 'a', 'one', 0)).toBe(true);
  expect(await takeLease(db, 'a', 'two', 60_000)).toBe(true);
  await dropLease(db, 'a', 'one');
  expect(await takeLease(db, 'a', 'one', 60_000)).toBe(false);
  await dropLease(db, 'a', 'two');
  expect(await takeLease(db, 'a', 'one', 60_000)).toBe(true);
});

it('what is exclusive is done by one at a time, and by the next one after it', async () => {
  const { db } = database;
  const inner = await exclusively(db, 'sweep', () => exclusively(db, 'sweep', () => Promise.resolve('two')));
  expect(inner).toBeUndefined();
  expect(await exclusively(db, 'sweep', () => Promise.resolve('next'))).toBe('next');
});
