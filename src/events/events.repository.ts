import { type Kysely, sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { EventRecord } from './event.ts';

export interface NewEvent {
  ownerId: string;
  jobId?: string | null;
  batchId?: string | null;
  type: string;
  data?: object;
  at: Date;
}

/** Appends to the log, inside the transaction of the change it tells of. */
export async function appendEvents(tx: Transaction<DB>, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map((event) => ({
    owner_id: event.ownerId,
    job_id: event.jobId ?? null,
    batch_id: event.batchId ?? null,
    type: event.type,
    data: JSON.stringify(event.data ?? {}),
    created_at: event.at,
  }));
  await tx.insertInto('events').values(rows).execute();
}

/** A job's events, oldest first. */
export async function listJobEvents(db: Kysely<DB>, ownerId: string, jobId: string): Promise<EventRecord[]> {
  const rows = await db
    .selectFrom('events')
    .select(['id', 'type', 'job_id', 'data', 'created_at'])
    .where('job_id', '=', jobId)
    .where('owner_id', '=', ownerId)
    .orderBy('id')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    type: row.type,
    jobId: row.job_id,
    data: row.data,
    createdAt: row.created_at,
  }));
}

/**
 * Events of a batch and of its jobs from behind an event's id, in the order of their transactions. Holds back what an open
 * transaction could still come before: those who go on from the last id miss nothing and get nothing twice.
 */
export async function listBatchEvents(
  db: Kysely<DB>,
  ownerId: string,
  batchId: string,
  { after, limit }: { after: number; limit: number },
): Promise<EventRecord[]> {
  const last = await db.selectFrom('events').select('xact').where('id', '=', after).executeTakeFirst();
  const isBehind = last
    ? sql<boolean>`(xact, id) > (${last.xact}::xid8, ${after}::bigint)`
    : sql<boolean>`id > ${after}`;
  const rows = await db
    .selectFrom('events')
    .select(['id', 'type', 'job_id as jobId', 'data', 'created_at as createdAt'])
    .where('batch_id', '=', batchId)
    .where('owner_id', '=', ownerId)
    .where(isBehind)
    // What is visible and yet beyond all that has ended here was restored from another server.
    .where(
      sql<boolean>`(xact < pg_snapshot_xmin(pg_current_snapshot())
        or xact >= pg_snapshot_xmax(pg_current_snapshot()))`,
    )
    .orderBy('xact')
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows;
}

/** How many events of a type a job has, those of this transaction included. */
export async function countJobEvents(tx: Transaction<DB>, jobId: string, type: string): Promise<number> {
  const { count } = await tx
    .selectFrom('events')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('job_id', '=', jobId)
    .where('type', '=', type)
    .executeTakeFirstOrThrow();
  return Number(count);
}
