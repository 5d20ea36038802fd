import { sql } from 'kysely';
import { beforeAll, expect, test } from 'vitest';
import { useTestApp } from './create-test-app.ts';
import { addVideo, call } from './library-kit.ts';

const shared = useTestApp();

const SAME =
  'owner_id, status, stage, model, connection, seconds, width, height, plan, due_at, updated_at, started_at, finished_at, error_code';

/** Copies of a failed job, each with the word in its prompt. */
async function copies(id: string, word: string, count: number): Promise<void> {
  await sql`insert into jobs (id, created_at, prompt, ${sql.raw(SAME)})
    select ${`video_${word}`} || n, created_at + n * interval '1 second', ${word} || ' ' || n, ${sql.raw(SAME)}
    from jobs, generate_series(1, ${count}::int) as n where id = ${id}`.execute(shared().db);
}

beforeAll(async () => {
  const { id } = await addVideo(shared(), { status: 'failed' });
  await copies(id, 'otter', 700);
  await copies(id, 'heron', 3000);
  await copies(id, 'walrus', 16_000);
  await sql`analyze jobs`.execute(shared().db);
});

test.each([
  ['otter', 700],
  ['heron', 3000],
  ['otter or heron', 3700],
  ['heron 7', 1],
  ['unicorn', 0],
])('%s is found exactly %i times', async (q, total) => {
  const response = await call(shared().admin, 'GET', `/videos?limit=1&q=${encodeURIComponent(q)}`);
  const { pagination } = response.json() as { pagination: { total: number; totalIsEstimate?: boolean } };
  expect(pagination.total).toBe(total);
  expect(pagination.totalIsEstimate).toBeUndefined();
});

test('beyond 10,000 the total of a search is an estimate that is near the truth, and says so', async () => {
  const response = await call(shared().admin, 'GET', '/videos?limit=1&q=walrus');
  const { pagination } = response.json() as { pagination: { total: number; totalIsEstimate?: boolean } };
  expect(pagination.totalIsEstimate).toBe(true);
  expect(pagination.total).toBeGreaterThan(14_000);
  expect(pagination.total).toBeLessThan(18_000);
});
