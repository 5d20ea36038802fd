import { type Kysely, type RawBuilder, sql } from 'kysely';
import { decodeCursor, encodeCursor } from '../core/cursor.ts';
import type { DB } from '../database/schema.ts';
import type { BatchStatus, BatchSummary } from './batch.ts';

export interface BatchFilter {
  ownerId: string;
  id?: string | undefined;
  status?: readonly BatchStatus[] | undefined;
  /** A part of the name. */
  q?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
}

export interface BatchPageRequest {
  limit: number;
  /** Counted from 0; ignored when there is a cursor. */
  offset: number;
  cursor?: string | undefined;
}

export interface BatchPage {
  batches: BatchSummary[];
  nextCursor: string | undefined;
}

const LIST = 'batches';

const isOpen = (status: BatchStatus) => status === 'pending' || status === 'processing';

/** What the row itself tells; a batch is finished exactly when none of its jobs is open. */
function conditions({ ownerId, id, status, q, from, to }: BatchFilter, cursor?: string): RawBuilder<unknown> {
  const all = [sql`owner_id = ${ownerId}`];
  if (id !== undefined) all.push(sql`id = ${id}`);
  if (status?.every(isOpen)) all.push(sql`finished_at is null`);
  if (status && !status.some(isOpen)) all.push(sql`finished_at is not null`);
  if (q !== undefined) all.push(sql`name ilike ${`%${q.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`}`);
  if (from) all.push(sql`created_at >= ${from}`);
  if (to) all.push(sql`created_at <= ${to}`);
  if (cursor !== undefined) {
    const { at, id: last } = decodeCursor(LIST, cursor);
    all.push(sql`(created_at, id) < (${at}, ${last})`);
  }
  return sql.join(all, sql` and `);
}

/** Batches with what is counted over their jobs: the latest try of each item; money over all tries. */
function summaries(batches: RawBuilder<unknown>): RawBuilder<BatchSummary> {
  return sql`
    select batches.*, counts.*, case
        when pending + processing = 0 then case
          when failed = 0 and cancelled = 0 then 'completed'
          when completed > 0 then 'partial'
          when failed > 0 then 'failed'
          else 'cancelled' end
        when pending = total then 'pending'
        else 'processing' end as status
    from (${batches}) as batches cross join lateral (
      select
        count(*) filter (where counts) as total,
        count(*) filter (where counts and status = 'pending') as pending,
        count(*) filter (where counts and status = 'processing') as processing,
        count(*) filter (where counts and status = 'completed') as completed,
        count(*) filter (where counts and status = 'failed') as failed,
        count(*) filter (where counts and status = 'cancelled') as cancelled,
        coalesce(floor(avg(case when finished_at is null then progress else 100 end) filter (where counts)), 100)
          as percentage,
        coalesce(sum(estimated_micros), 0) as estimated_micros,
        coalesce(sum(charged_micros), 0) as charged_micros
      from (
        select status, progress, finished_at, estimated_micros, charged_micros,
          deleted_at is null and row_number() over (partition by batch_index order by depth desc) = 1 as counts
        from jobs where jobs.batch_id = batches.id
      ) as tries
    ) as counts`;
}

const NEWEST_FIRST = sql`order by created_at desc, id desc`;

/** One page, the newest first. A known total of nothing spares the search for it. */
export async function pageBatches(
  db: Kysely<DB>,
  filter: BatchFilter,
  { limit, offset, cursor }: BatchPageRequest,
  known?: { total: number },
): Promise<BatchPage> {
  const narrowed = sql`select * from batches where ${conditions(filter, cursor)} ${NEWEST_FIRST}`;
  if (known?.total === 0) return { batches: [], nextCursor: undefined };
  const cut = sql`limit ${limit + 1} offset ${cursor === undefined ? offset : 0}`;
  // A status is known only after counting; without one, only what is on the page is counted.
  const { rows } = filter.status
    ? await sql<BatchSummary>`
        select * from (${summaries(narrowed)}) as found
        where status = any(${filter.status}::text[]) ${NEWEST_FIRST} ${cut}`.execute(db)
    : await sql<BatchSummary>`${summaries(sql`${narrowed} ${cut}`)} ${NEWEST_FIRST}`.execute(db);
  const batches = rows.slice(0, limit);
  const last = batches.at(-1);
  return {
    batches,
    nextCursor:
      rows.length > limit && last ? encodeCursor(LIST, { at: last.created_at, id: last.id }) : undefined,
  };
}

/** Totals are exact up to here. */
const EXACT_UP_TO = 10_000;

export async function countBatches(
  db: Kysely<DB>,
  filter: BatchFilter,
): Promise<{ total: number; isEstimate: boolean }> {
  const narrowed = sql`select * from batches where ${conditions(filter)}`;
  const matching = filter.status
    ? sql`select from (${summaries(narrowed)}) as found where status = any(${filter.status}::text[])`
    : narrowed;
  const { rows } = await sql<{ total: number }>`
    select count(*) as total from (${matching} limit ${EXACT_UP_TO + 1}) as matching`.execute(db);
  const total = rows[0]?.total ?? 0;
  return { total, isEstimate: total > EXACT_UP_TO };
}
