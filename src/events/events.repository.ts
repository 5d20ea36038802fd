import { type Kysely, sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { EventPage, EventRecord } from './event.ts';
import type { Look } from './settled.ts';

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

/** Events of a batch and of its jobs, oldest first, from behind an event's id; with `upTo` no further than that one. */
export async function listBatchEvents(
  db: Kysely<DB>,
  ownerId: string,
  batchId: string,
  { after, upTo, limit }: EventPage & { upTo?: number },
): Promise<EventRecord[]> {
  return db
    .selectFrom('events')
    .select(['id', 'type', 'job_id as jobId', 'data', 'created_at as createdAt'])
    .where('batch_id', '=', batchId)
    .where('owner_id', '=', ownerId)
    .where('id', '>', after)
    .$if(upTo !== undefined, (query) => query.where('id', '<=', upTo ?? 0))
    .orderBy('id')
    .limit(limit)
    .execute();
}

/**
 * How far the log has got, and who is writing to it: everything up to `top` has been drawn by a transaction that has ended or
 * is one of `writers`. In this order: who has drawn an id holds the lock that is looked for until its end.
 */
export async function lookAtLog(db: Kysely<DB>): Promise<Look> {
  const { top } = await db
    .selectFrom('events')
    .select((eb) => eb.fn.max<number | null>('id').as('top'))
    .executeTakeFirstOrThrow();
  const { rows } = await sql<{ writer: string }>`
    select virtualtransaction as writer from pg_locks
    where locktype = 'relation' and relation = 'events'::regclass and mode = 'RowExclusiveLock' and granted
      and database = (select oid from pg_database where datname = current_database())`.execute(db);
  return { top: Number(top ?? 0), writers: rows.map(({ writer }) => writer) };
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
