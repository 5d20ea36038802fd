import { expect, test } from 'vitest';
import { sql } from 'kysely';
import { createTestDatabase } from './testing.ts';

test('gives every caller a database of its own, quickly', async () => {
  const times: number[] = [];
  for (let n = 0; n < 10; n += 1) {
    const before = performance.now();
    await using database = await createTestDatabase();
    times.push(performance.now() - before);
    const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(database.db);
    expect(database.url).toContain(rows[0]?.name);
  }
  console.log(`createTestDatabase, ms: ${times.map((ms) => ms.toFixed(0)).join(' ')}`);
});

test('works in parallel', async () => {
  const before = performance.now();
  const databases = await Promise.all(Array.from({ length: 6 }, () => createTestDatabase()));
  console.log(`six in parallel, ms: ${(performance.now() - before).toFixed(0)}`);
  expect(new Set(databases.map(({ url }) => url)).size).toBe(6);
  await Promise.all(databases.map(({ drop }) => drop()));
});
