import { type Kysely, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import {
  filtered,
  type JobFilter,
  type PageRequest,
  type Sort,
  sorting,
  type Total,
} from './job-list.repository.ts';

/** Totals are exact up to here; beyond it, an estimate is good enough and costs nothing. */
const EXACT_UP_TO = 10_000;
/** When the planner expects so many times more, counting up to the limit would tell nothing new. */
const SURELY_MORE = 2;
/** The index itself is closer to the truth than the planner: what it holds too many are rows that are dead. */
const INDEX_SAYS_MORE = 1.5;
/** So many matches of a search are looked at before anything else. */
const SAMPLE = 1000;

/** How many match. With a page that has a cursor, only what comes behind it. */
export async function countJobs(
  db: Kysely<DB>,
  filter: JobFilter,
  sort: Sort,
  behind?: PageRequest,
): Promise<Total> {
  if (!(await hasCollection(db, filter))) return { total: 0, isEstimate: false };
  let matching = filtered(db.selectFrom('jobs').select(sql<number>`1`.as('one')), filter);
  if (behind) matching = sorting(matching, behind);
  else if (sort === 'completedAt') matching = matching.where('finished_at', 'is not', null);
  const [plan] = await matching.explain<PlanRow>('json');
  const expected = plan?.['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0;
  if (expected > EXACT_UP_TO * SURELY_MORE) return { total: expected, isEstimate: true };
  const sampled = filter.q === undefined ? undefined : await sample(matching);
  if (sampled) return sampled;
  const { total } = await db
    .selectFrom(matching.limit(EXACT_UP_TO + 1).as('matching'))
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  if (Number(total) <= EXACT_UP_TO) return { total: Number(total), isEstimate: false };
  return { total: Math.max(expected, EXACT_UP_TO + 1), isEstimate: true };

  /**
   * Looking at rows is what counting costs, and the index of words has counted its matches before the first row is
   * looked at. A run that stops after a few tells both: few are counted by it, of many it says about how many there are.
   */
  async function sample(query: typeof matching): Promise<Total | undefined> {
    // OFFSET 0 is a fence: the inside is planned as if all of it were wanted, so by the index of words.
    const some = db
      .selectFrom(query.offset(0).as('matching'))
      .select('one')
      .limit(SAMPLE + 1);
    const options = sql`analyze, buffers off, timing off, summary off`;
    const [run] = await some.explain<PlanRow>('json', options);
    const root = run?.['QUERY PLAN'][0]?.Plan;
    const found = root?.['Actual Rows'];
    if (!root || found === undefined) return undefined;
    if (found <= SAMPLE) return { total: found, isEstimate: false };
    const scan = find(root, 'Bitmap Heap Scan');
    const indexed = scan && find(scan, 'Bitmap Index Scan')?.['Actual Rows'];
    if (!scan || indexed === undefined || scan.Plans?.length !== 1) return undefined;
    const lookedAt =
      found + (scan['Rows Removed by Index Recheck'] ?? 0) + (scan['Rows Removed by Filter'] ?? 0);
    const estimate = Math.round((indexed * found) / lookedAt);
    return estimate > EXACT_UP_TO * INDEX_SAYS_MORE ? { total: estimate, isEstimate: true } : undefined;
  }
}

/** Somebody else's collection is an empty one, and the planner, who takes it for full, must not go and look. */
async function hasCollection(db: Kysely<DB>, { ownerId, collectionId }: JobFilter): Promise<boolean> {
  if (collectionId === undefined || collectionId === null) return true;
  const found = await db
    .selectFrom('collections')
    .select('id')
    .where('id', '=', collectionId)
    .where('owner_id', '=', ownerId)
    .executeTakeFirst();
  return found !== undefined;
}

interface PlanNode {
  'Node Type': string;
  'Plan Rows': number;
  'Actual Rows'?: number;
  'Rows Removed by Index Recheck'?: number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

interface PlanRow {
  'QUERY PLAN': { Plan: PlanNode }[];
}

function find(node: PlanNode, type: string): PlanNode | undefined {
  if (node['Node Type'] === type) return node;
  return node.Plans?.map((child) => find(child, type)).find((found) => found !== undefined);
}
