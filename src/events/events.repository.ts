import type { Kysely, Transaction } from 'kysely';
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

/** Events of a batch and of its jobs, oldest first, from behind an event's id. */
export async function listBatchEvents(
  db: Kysely<DB>,
  ownerId: string,
  batchId: string,
  { after, limit }: { after: number; limit: number },
): Promise<EventRecord[]> {
  const rows = await db
    .selectFrom('events')
    .select(['id', 'type', 'job_id as jobId', 'data', 'created_at as createdAt'])
    .where('batch_id', '=', batchId)
    .where('owner_id', '=', ownerId)
    .where('id', '>', after)
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
