import { beforeAll, expect, test } from 'vitest';
import type { JobView } from '../../src/jobs/job-view.ts';
import { SMALL, useTestApp } from '../create-test-app.ts';

const shared = useTestApp();

interface Page {
  data: JobView[];
  pagination: {
    page: number | null;
    limit: number;
    total: number;
    totalPages: number;
    nextCursor: string | null;
  };
}

async function list(query: string): Promise<Page> {
  const response = await shared().admin.request('GET', `/api/v1/videos?${query}`);
  expect(response.statusCode, response.body).toBe(200);
  return response.json() as Page;
}

const names = (page: Page) => page.data.map((job) => job.name);

beforeAll(async () => {
  const { admin, clock, finish, user } = shared();
  for (let index = 0; index < 7; index += 1) {
    await admin.create({
      ...SMALL,
      name: `n${index}`,
      prompt: index % 2 ? 'a red fox' : 'a blue whale',
      tags: index < 3 ? ['early'] : [],
      model: index === 6 ? 'sora-2' : 'simulator',
    });
    // Two of them in the same millisecond, so that the order must come from more than time.
    if (index !== 4) await clock.advance(1000);
  }
  const first = (await list('order=asc&limit=1')).data[0];
  if (first) await finish(first.jobId);
  await (await user()).create({ ...SMALL, name: 'not yours' });
});

test('newest first by default, only your own, with totals', async () => {
  const page = await list('limit=3');
  expect(names(page)).toEqual(['n6', 'n5', 'n4']);
  expect(page.pagination).toMatchObject({ page: 1, limit: 3, total: 7, totalPages: 3 });
});

test.each(['desc', 'asc'])('cursor and page number walk the same way, %s', async (order) => {
  const byCursor: (string | null)[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Page = await list(`limit=2&order=${order}${cursor ? `&cursor=${cursor}` : ''}`);
    byCursor.push(...names(page));
    cursor = page.pagination.nextCursor;
  }
  const byPage = [];
  for (let page = 1; page <= 4; page += 1)
    byPage.push(...names(await list(`limit=2&order=${order}&page=${page}`)));
  expect(byCursor).toEqual(byPage);
  expect(new Set(byCursor).size).toBe(7);
});

test.each([
  ['status=completed', 7],
  ['status=pending', 0],
  ['status=completed,failed', 7],
  ['tag=early', 3],
  ['tag=never', 0],
  ['q=fox', 3],
  ['q=red+fox', 3],
  ['q=red+whale', 0],
  ['q=n3', 1],
  ['model=sora-2', 1],
  ['model=sora-2,simulator', 7],
  ['provider=simulator', 7],
  ['provider=other', 0],
  ['batchId=b', 0],
  ['tag=early&q=whale', 2],
])('%s finds %i', async (query, count) => {
  const page = await list(query);
  expect(page.data).toHaveLength(count);
  expect(page.pagination.total).toBe(count);
});

test('from and to narrow by time of creation', async () => {
  const all = (await list('order=asc')).data;
  const [from, to] = [all[2]?.createdAt, all[3]?.createdAt];
  expect(names(await list(`order=asc&from=${from}&to=${to}`))).toEqual(['n2', 'n3']);
});

test('sorting by completion shows finished jobs only', async () => {
  const page = await list('sort=completedAt&order=asc');
  const times = page.data.map((job) => job.completedAt);
  expect(times).toEqual([...times].sort());
  expect(times).toHaveLength(7);
});

test('a cursor of one order is refused for the other', async () => {
  const { pagination } = await list('limit=2');
  const response = await shared().admin.request(
    'GET',
    `/api/v1/videos?order=asc&cursor=${pagination.nextCursor}`,
  );
  expect(response.json()).toMatchObject({ error: { code: 'invalid_cursor' } });
});
