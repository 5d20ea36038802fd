import { type Kysely, type SelectQueryBuilder, sql, type Transaction } from 'kysely';
import { decodeCursor, encodeCursor } from '../core/cursor.ts';
import type { DB } from '../database/schema.ts';
import type { Job, JobStatus } from './job.ts';

export const SORTS = {
  createdAt: 'created_at',
  completedAt: 'finished_at',
  trashedAt: 'trashed_at',
} as const;

export type Sort = keyof typeof SORTS;

export interface JobFilter {
  ownerId: string;
  status?: readonly JobStatus[] | undefined;
  model?: readonly string[] | undefined;
  provider?: string | undefined;
  batchId?: string | undefined;
  /** All of them. */
  tags?: readonly string[] | undefined;
  /** Words to find in prompt and name; all of them, as in a web search. */
  q?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  /** null: what stands in none. */
  collectionId?: string | null | undefined;
  starred?: boolean | undefined;
  pinned?: boolean | undefined;
  /** What was made from it, directly. */
  parentId?: string | undefined;
  /** What is in the trash, and only that; otherwise what is not. */
  trashed?: boolean | undefined;
}

export interface PageRequest {
  sort: Sort;
  order: 'asc' | 'desc';
  limit: number;
  /** Counted from 0; ignored when there is a cursor. */
  offset: number;
  /** From a former page's `nextCursor`. */
  cursor?: string | undefined;
}

export interface JobPage {
  jobs: Job[];
  /** For the next page; absent on the last one. */
  nextCursor: string | undefined;
}

type JobQuery<Output> = SelectQueryBuilder<DB, 'jobs', Output>;

/** Narrows to what matches. */
export function filtered<Output>(query: JobQuery<Output>, filter: JobFilter): JobQuery<Output> {
  let narrowed = query.where('owner_id', '=', filter.ownerId);
  narrowed = filter.trashed
    ? narrowed.where('trashed_at', 'is not', null)
    : narrowed.where('deleted_at', 'is', null);
  if (filter.status) narrowed = narrowed.where('status', 'in', [...filter.status]);
  if (filter.model) narrowed = narrowed.where('model', 'in', [...filter.model]);
  if (filter.provider !== undefined) narrowed = narrowed.where('connection', '=', filter.provider);
  if (filter.batchId !== undefined) narrowed = narrowed.where('batch_id', '=', filter.batchId);
  if (filter.tags) narrowed = narrowed.where('tags', '@>', sql<string[]>`${[...filter.tags]}::text[]`);
  if (filter.q !== undefined) {
    narrowed = narrowed.where(sql<boolean>`search @@ websearch_to_tsquery('simple', ${filter.q})`);
  }
  if (filter.from) narrowed = narrowed.where('created_at', '>=', filter.from);
  if (filter.to) narrowed = narrowed.where('created_at', '<=', filter.to);
  if (filter.collectionId === null) narrowed = narrowed.where('collection_id', 'is', null);
  else if (filter.collectionId !== undefined)
    narrowed = narrowed.where('collection_id', '=', filter.collectionId);
  // The bare column and not `= true`: that is what partial indexes are recognized by.
  if (filter.starred !== undefined) narrowed = narrowed.where(flag('starred', filter.starred));
  if (filter.pinned !== undefined) narrowed = narrowed.where(flag('pinned', filter.pinned));
  if (filter.parentId !== undefined) narrowed = narrowed.where('parent_id', '=', filter.parentId);
  return narrowed;
}

function flag(column: 'starred' | 'pinned', value: boolean) {
  return value ? sql<boolean>`${sql.ref(column)}` : sql<boolean>`not ${sql.ref(column)}`;
}

/** How many match; beyond a limit only about how many. */
export interface Total {
  total: number;
  isEstimate: boolean;
}

/** So few are collected and sorted, whatever they are sorted by. */
const COLLECT_UP_TO = 1000;
/** With some thousands, walking is short only to the first pages. */
const WALK_FROM_START = 200;

/**
 * One page in a stable order: the sort's column, then the id. The total, where it is known, tells which way is the short
 * one, because the planner knows too little about words: few are collected and sorted, of many an index in the order
 * asked for is walked until the page is full.
 */
export async function pageJobs(
  db: Kysely<DB>,
  filter: JobFilter,
  page: PageRequest,
  known?: Total,
): Promise<JobPage> {
  if (page.cursor !== undefined) decodeCursor(listOf(page), page.cursor);
  if (known?.total === 0) return { jobs: [], nextCursor: undefined };
  const isFew = known !== undefined && !known.isEstimate && known.total <= COLLECT_UP_TO;
  const isMany = known !== undefined && !isFew;
  const walks = filter.q !== undefined && isMany && (known.isEstimate || page.offset <= WALK_FROM_START);
  const rows = walks
    ? await db.transaction().execute(async (tx) => {
        await sql`select set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)`.execute(
          tx,
        );
        return readPage(tx, filter, page, isFew);
      })
    : await readPage(db, filter, page, isFew);
  const jobs = rows.slice(0, page.limit);
  const last = jobs.at(-1);
  return { jobs, nextCursor: rows.length > page.limit && last ? cursorOf(last, page) : undefined };
}

/** The rows of a page and one more, which tells whether there is a next one. */
async function readPage(
  db: Kysely<DB> | Transaction<DB>,
  filter: JobFilter,
  page: PageRequest,
  collects: boolean,
): Promise<Job[]> {
  const column = SORTS[page.sort];
  const matching = sorting(filtered(db.selectFrom('jobs'), filter), page);
  // OFFSET 0 is a fence: what is inside is planned as if all of it were wanted, which it is.
  const source = collects
    ? (db.selectFrom(matching.select(['id', column]).offset(0).as('jobs')) as unknown as typeof matching)
    : matching;
  const ids = source
    .select('id')
    .orderBy(column, page.order)
    .orderBy('id', page.order)
    .limit(page.limit + 1)
    .offset(page.cursor === undefined ? page.offset : 0);
  // Found first and read afterwards, each by its id: in one query, an index of all jobs in this order looks inviting.
  const { rows } = await sql<Job>`
    select jobs.* from unnest(array(${ids})) with ordinality as found (id, place) join jobs on jobs.id = found.id
    order by found.place`.execute(db);
  return rows;
}

/** Narrows to what has a place in the order, and to what comes behind the cursor. */
export function sorting<Output>(query: JobQuery<Output>, page: PageRequest): JobQuery<Output> {
  const column = SORTS[page.sort];
  // Sorting by completion is about finished jobs; the others have no place in that order.
  const sortable = column === 'finished_at' ? query.where('finished_at', 'is not', null) : query;
  if (page.cursor === undefined) return sortable;
  const { at, id } = decodeCursor(listOf(page), page.cursor);
  const comparison = page.order === 'desc' ? sql`<` : sql`>`;
  return sortable.where(sql<boolean>`(${sql.ref(column)}, id) ${comparison} (${at}, ${id})`);
}

/** The page after a job of the same owner, for clients that page by id. Undefined when there is no such job. */
export async function cursorAfter(
  db: Kysely<DB>,
  ownerId: string,
  id: string,
  page: Pick<PageRequest, 'sort' | 'order'>,
): Promise<string | undefined> {
  const job = await db
    .selectFrom('jobs')
    .selectAll()
    .where('id', '=', id)
    .where('owner_id', '=', ownerId)
    .executeTakeFirst();
  return job && cursorOf(job, page);
}

type Order = Pick<PageRequest, 'sort' | 'order'>;

/** A cursor is of no use for another order than its own. */
function listOf({ sort, order }: Order): string {
  return `jobs ${sort} ${order}`;
}

function cursorOf(job: Job, order: Order): string {
  return encodeCursor(listOf(order), { at: job[SORTS[order.sort]] ?? job.created_at, id: job.id });
}
