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
  const { total } = await db
    .selectFrom(matching.limit(EXACT_UP_TO + 1).as('matching'))
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  if (Number(total) <= EXACT_UP_TO) return { total: Number(total), isEstimate: false };
  return { total: Math.max(expected, EXACT_UP_TO + 1), isEstimate: true };
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

interface PlanRow {
  'QUERY PLAN': { Plan: { 'Plan Rows': number } }[];
}
