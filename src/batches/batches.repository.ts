import { type Kysely, sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import { appendEvents } from '../events/events.repository.ts';
import { isFinal, type Job, JOB_STATUSES } from '../jobs/job.ts';
import type { Batch } from './batch.ts';

type Db = Kysely<DB> | Transaction<DB>;

/** The row and its first event; the jobs follow in the same transaction. */
export async function insertBatch(tx: Transaction<DB>, batch: Batch, total: number): Promise<void> {
  await tx.insertInto('batches').values(batch).execute();
  await appendEvents(tx, [batchEvent(batch, 'batch.created', { total }, batch.created_at)]);
}

function batchEvent(
  { id, owner_id: ownerId }: Pick<Batch, 'id' | 'owner_id'>,
  type: string,
  data: object,
  at: Date,
) {
  return { ownerId, batchId: id, type, data, at };
}

/** Undefined for what is not there or not the owner's. */
export async function findBatch(db: Db, ownerId: string, id: string): Promise<Batch | undefined> {
  return db
    .selectFrom('batches')
    .selectAll()
    .where('id', '=', id)
    .where('owner_id', '=', ownerId)
    .executeTakeFirst();
}

/** The latest try of each item that still has one, in order. */
function latestTries(db: Db, batchId: string) {
  return db
    .selectFrom((from) =>
      from
        .selectFrom('jobs')
        .selectAll()
        .distinctOn('batch_index')
        .where('batch_id', '=', batchId)
        .orderBy('batch_index')
        .orderBy('depth', 'desc')
        .as('latest'),
    )
    .where('deleted_at', 'is', null)
    .orderBy('batch_index');
}

export async function findItems(db: Db, batchId: string, limit: number): Promise<Job[]> {
  return latestTries(db, batchId).selectAll().limit(limit).execute();
}

export async function findItemIds(db: Db, batchId: string): Promise<string[]> {
  const rows = await latestTries(db, batchId).select('id').execute();
  return rows.map(({ id }) => id);
}

/** Jobs of the batch that have not ended, those that wait first. */
export async function findOpen(db: Db, batchId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('jobs')
    .select('id')
    .where('batch_id', '=', batchId)
    .where('finished_at', 'is', null)
    .orderBy(sql`status = 'pending'`, 'desc')
    .orderBy('batch_index')
    .execute();
  return rows.map(({ id }) => id);
}

const UNHAPPY = JOB_STATUSES.filter((status) => isFinal(status) && status !== 'completed');

/** The latest tries that failed or were cancelled. */
export async function findUnhappy(db: Db, batchId: string): Promise<Job[]> {
  return latestTries(db, batchId).selectAll().where('status', 'in', UNHAPPY).execute();
}

/**
 * Opens a batch again for new tries of these jobs. Locks its row, so that of two retries at once the second one sees the
 * first one's. False when one of the jobs is not the latest try of its item any more: then nothing has changed.
 */
export async function reopenBatch(
  tx: Transaction<DB>,
  batch: Pick<Batch, 'id' | 'owner_id'>,
  retried: readonly string[],
  now: Date,
): Promise<boolean> {
  await tx.selectFrom('batches').select('id').where('id', '=', batch.id).forUpdate().execute();
  const rows = await latestTries(tx, batch.id).select('id').where('status', 'in', UNHAPPY).execute();
  const unhappy = new Set(rows.map(({ id }) => id));
  if (!retried.every((id) => unhappy.has(id))) return false;
  await tx.updateTable('batches').set({ finished_at: null }).where('id', '=', batch.id).execute();
  await appendEvents(tx, [batchEvent(batch, 'batch.retried', { total: retried.length }, now)]);
  return true;
}
