import { beforeAll, expect, test } from 'vitest';
import type { BatchView } from '../../src/batches/batch-view.ts';
import { createBatch, refusalOf } from '../batch-requests.ts';
import { SMALL, useTestApp } from '../create-test-app.ts';

const shared = useTestApp({ MAX_RUNNING: '1000', SIMULATOR_SPEED: '1' });

interface Page {
  data: BatchView[];
  pagination: { page: number | null; total: number; totalPages: number; nextCursor: string | null };
}

const failing = { ...SMALL, prompt: '[sim:refused] x' };
let middle = '';

async function list(query: string): Promise<Page> {
  const response = await shared().admin.request('GET', `/api/v1/batches?${query}`);
  expect(response.statusCode, response.body).toBe(200);
  return response.json() as Page;
}

const names = ({ data }: Page) => data.map((batch) => batch.name).join(' ');

beforeAll(async () => {
  const { admin, clock, settle, user, finish } = shared();
  const make = async (name: string, videos: object[]) => {
    await clock.advance(1000);
    return createBatch(admin, { name, videos });
  };
  const done = await make('completed_1', [SMALL]);
  const partial = await make('partial', [SMALL, failing]);
  await settle();
  for (const id of [...done.jobIds, ...partial.jobIds]) await finish(id);
  middle = new Date(clock.now() + 500).toISOString();
  await make('failed 100%', [failing, failing]);
  await make('running', [SMALL, SMALL]);
  await settle();
  const cancelled = await make('Cancelled', [SMALL]);
  await admin.request('DELETE', `/api/v1/batches/${cancelled.batchId}`);
  // Two in the same millisecond, so that the order must come from more than time.
  await createBatch(admin, { name: 'pending1', videos: [SMALL, SMALL] });
  await createBatch(admin, { name: 'pending2', videos: [SMALL] });
  await createBatch(await user(), { name: 'not yours', videos: [SMALL] });
});

test('the newest first, only your own, with totals and without jobs', async () => {
  const page = await list('limit=3');
  expect(names(page)).toBe('pending2 pending1 Cancelled');
  expect(page.pagination).toMatchObject({ page: 1, total: 7, totalPages: 3 });
  expect(page.data[1]).toMatchObject({ status: 'pending', progress: { total: 2, pending: 2 } });
  expect(page.data[0]).not.toHaveProperty('jobs');
});

test.each(['', 'status=pending,processing,cancelled,failed,completed,partial&'])(
  'cursor and page number walk the same way (%s)',
  async (filter) => {
    const byCursor: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Page = await list(`${filter}limit=2${cursor ? `&cursor=${cursor}` : ''}`);
      byCursor.push(names(page));
      cursor = page.pagination.nextCursor;
    }
    const byPage = [];
    for (let page = 1; page <= 4; page += 1) byPage.push(names(await list(`${filter}limit=2&page=${page}`)));
    expect(byCursor).toEqual(byPage);
    expect(byPage.join(' ').split(' ')).toHaveLength(8);
  },
);

test.each([
  ['status=pending', 'pending2 pending1'],
  ['status=processing', 'running'],
  ['status=completed', 'completed_1'],
  ['status=partial', 'partial'],
  ['status=failed', 'failed 100%'],
  ['status=cancelled', 'Cancelled'],
  ['status=pending,cancelled', 'pending2 pending1 Cancelled'],
  ['status=completed,partial', 'partial completed_1'],
  ['q=PENDING', 'pending2 pending1'],
  ['q=%25', 'failed 100%'],
  ['q=d_1', 'completed_1'],
  ['q=nobody', ''],
  ['q=pending&status=failed', ''],
])('%s finds %s, and the total agrees', async (query, expected) => {
  const page = await list(query);
  expect(names(page)).toBe(expected);
  expect(page.pagination.total).toBe(page.data.length);
});

test('a filter by status pages rightly: what does not match takes no place', async () => {
  const first = await list('status=pending,processing&limit=2');
  const second = await list(`status=pending,processing&limit=2&cursor=${first.pagination.nextCursor}`);
  expect([names(first), names(second)]).toEqual(['pending2 pending1', 'running']);
  expect([first.pagination.total, second.pagination.nextCursor]).toEqual([3, null]);
});

test('from and to limit by creation', async () => {
  const time = encodeURIComponent(middle);
  expect(names(await list(`to=${time}`))).toBe('partial completed_1');
  expect((await list(`from=${time}`)).pagination.total).toBe(5);
});

test.each([
  ['status=done', 'status', 'invalid_request'],
  ['from=yesterday', 'from', 'invalid_request'],
  ['cursor=abc', 'cursor', 'invalid_cursor'],
  ['page=0', 'page', 'invalid_request'],
  ['limit=101', 'limit', 'invalid_request'],
  ['page=1000&limit=100', 'page', 'invalid_request'],
  ['model=x', 'model', 'unknown_field'],
  ['q=%00', 'q', 'invalid_request'],
])('%s: 400 that names %s', async (query, field, code) => {
  const response = await shared().admin.request('GET', `/api/v1/batches?${query}`);
  expect(response.statusCode).toBe(400);
  expect(refusalOf(response)).toMatchObject({ code, details: { field } });
});
