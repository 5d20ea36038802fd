import type { Pool } from 'pg';
import { encodeCursor } from '../src/core/cursor.ts';
import type { JobFilter, PageRequest } from '../src/jobs/job-list.repository.ts';
import { OWNERS } from './list-rows.ts';

export interface ListCase {
  what: string;
  filter: JobFilter;
  page: PageRequest;
}

type Narrowing = Omit<JobFilter, 'ownerId'>;

/** What may be asked for, alone and together: common, rare and not there at all. */
const FILTERS: Record<string, Narrowing> = {
  'no filter': {},
  'status completed': { status: ['completed'] },
  'status failed': { status: ['failed'] },
  'status cancelled': { status: ['cancelled'] },
  'status pending': { status: ['pending'] },
  'status pending,processing': { status: ['pending', 'processing'] },
  'status completed,failed': { status: ['completed', 'failed'] },
  'status failed,cancelled': { status: ['failed', 'cancelled'] },
  'model common': { model: ['sora-2'] },
  'model rare': { model: ['simulator'] },
  'model two': { model: ['sora-2-pro', 'veo-3.1-fast'] },
  'model unknown': { model: ['no-such-model'] },
  'provider common': { provider: 'openai' },
  'provider rare': { provider: 'simulator' },
  'tag common': { tags: ['draft'] },
  'tag client': { tags: ['client-7'] },
  'tag rare': { tags: ['rare'] },
  'tag unknown': { tags: ['no-such-tag'] },
  'q in every prompt': { q: 'film grain' },
  'q common': { q: 'boat' },
  'q middling': { q: 'lantern' },
  'q rare': { q: 'zeppelin' },
  'q one job': { q: 'take 777' },
  'q unknown': { q: 'submarine' },
  'q common and rare': { q: 'boat zeppelin' },
  'q phrase': { q: '"paper boat on a mountain lake"' },
  'q negated': { q: 'boat -rain' },
  'q either': { q: 'zeppelin or lantern' },
  'one day': { from: new Date('2026-06-01'), to: new Date('2026-06-02') },
  'one year': { from: new Date('2025-10-01'), to: new Date('2026-09-30') },
  'long ago': { to: new Date('2025-01-01') },
  'failed, model common': { status: ['failed'], model: ['sora-2'] },
  'failed, model rare': { status: ['failed'], model: ['simulator'] },
  'pending, model rare': { status: ['pending'], model: ['simulator'] },
  'failed, tag rare': { status: ['failed'], tags: ['rare'] },
  'failed, tag common': { status: ['failed'], tags: ['draft'] },
  'failed, q common': { status: ['failed'], q: 'boat' },
  'failed, q rare': { status: ['failed'], q: 'zeppelin' },
  'completed, tag client, q common': { status: ['completed'], tags: ['client-7'], q: 'boat' },
  'model rare, q common': { model: ['simulator'], q: 'boat' },
  'model rare, tag common': { model: ['simulator'], tags: ['draft'] },
  'provider rare, q middling': { provider: 'simulator', q: 'lantern' },
  'tag common, q common': { tags: ['draft'], q: 'boat' },
  'tag rare, q common': { tags: ['rare'], q: 'boat' },
  'one day, q common': { from: new Date('2026-06-01'), to: new Date('2026-06-02'), q: 'boat' },
  'one year, failed, q middling': {
    from: new Date('2025-10-01'),
    to: new Date('2026-09-30'),
    status: ['failed'],
    q: 'lantern',
  },
  'tag two': { tags: ['draft', 'client-7'] },
  starred: { starred: true },
  'starred, q common': { starred: true, q: 'boat' },
  'not starred': { starred: false },
  pinned: { pinned: true },
  'collection large': { collectionId: `col_${OWNERS.big}_10` },
  'collection small': { collectionId: `col_${OWNERS.big}_3` },
  'collection none': { collectionId: null },
  'collection large, q common': { collectionId: `col_${OWNERS.big}_10`, q: 'boat' },
  trash: { trashed: true },
  'trash, q common': { trashed: true, q: 'boat' },
  children: { parentId: 'video_parent_7' },
  'long ago, tag rare': { to: new Date('2025-01-01'), tags: ['rare'] },
};

const FIRST: PageRequest = { sort: 'createdAt', order: 'desc', limit: 20, offset: 0 };
const ORDERS = [
  { sort: 'createdAt', order: 'desc' },
  { sort: 'createdAt', order: 'asc' },
  { sort: 'completedAt', order: 'desc' },
  { sort: 'completedAt', order: 'asc' },
] as const;

/** The whole catalogue, with places in the middle of the table for cursors and a batch taken from what is there. */
export async function listCases(pool: Pool, quick: boolean): Promise<ListCase[]> {
  const { rows } = await pool.query<{ id: string; owner: string; batch: string; at: Date; done: Date }>(
    `select id, owner_id as owner, batch_id as batch, created_at as at, finished_at as done from jobs
     where owner_id = $1 and batch_id is not null and finished_at is not null
     order by created_at offset (select count(*) / 30 from jobs) limit 1`,
    [OWNERS.big],
  );
  const [middle] = rows;
  if (!middle) throw new Error('the table is empty');
  const cases: ListCase[] = [];
  const filters: Record<string, Narrowing> = { ...FILTERS, batch: { batchId: middle.batch } };
  const owners = Object.entries(OWNERS).filter(([name]) => !quick || name === 'big');
  for (const [owner, ownerId] of owners) {
    // Upwards is downwards read from the other end: once is enough.
    const orders = ORDERS.filter(({ order }) => order === 'desc' || (owner === 'big' && !quick));
    for (const [name, narrowing] of Object.entries(filters)) {
      for (const order of orders) {
        const sort = narrowing.trashed ? ('trashedAt' as const) : order.sort;
        const what = `${owner} owner, ${name}, ${sort} ${order.order}`;
        const id = owner === 'many' ? `${ownerId}_1` : ownerId;
        cases.push({ what, filter: { ...narrowing, ownerId: id }, page: { ...FIRST, ...order, sort } });
      }
    }
  }
  for (const order of ORDERS) {
    const filter = { ownerId: OWNERS.big };
    const at = order.sort === 'createdAt' ? middle.at : middle.done;
    const cursor = encodeCursor(`jobs ${order.sort} ${order.order}`, { at, id: middle.id });
    const deep = { ...FIRST, ...order, limit: 100, offset: 9900 };
    const name = `${order.sort} ${order.order}`;
    cases.push(
      { what: `big owner, page 100 of 100, ${name}`, filter, page: deep },
      { what: `big owner, cursor in the middle, ${name}`, filter, page: { ...FIRST, ...order, cursor } },
      {
        what: `big owner, failed, page 100 of 100, ${name}`,
        filter: { ...filter, status: ['failed'] },
        page: deep,
      },
      {
        what: `big owner, q common, cursor, ${name}`,
        filter: { ...filter, q: 'boat' },
        page: { ...FIRST, ...order, cursor },
      },
    );
  }
  return cases;
}
