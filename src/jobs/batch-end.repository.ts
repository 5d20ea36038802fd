import { sql } from 'kysely';
import { appendEvents } from '../events/events.repository.ts';
import type { Job, JobStatus } from './job.ts';
import type { Write } from './write.ts';

/** How the jobs of a batch ended. */
export type BatchCounts = Record<JobStatus, number>;

/** What became of a batch whose jobs have all ended. */
export function outcomeOf({
  completed,
  failed,
  cancelled,
}: BatchCounts): 'completed' | 'partial' | 'failed' | 'cancelled' {
  if (failed === 0 && cancelled === 0) return 'completed';
  if (completed > 0) return 'partial';
  return failed > 0 ? 'failed' : 'cancelled';
}

/** Locks batches until the transaction ends, in the order given. */
export async function lockBatches({ tx }: Write, batchIds: readonly string[]): Promise<void> {
  for (const id of batchIds)
    await tx.selectFrom('batches').select('id').where('id', '=', id).forUpdate().execute();
}

/**
 * A job of a batch has ended: when it was the last one, the batch has, and its one event is written. The batch is locked
 * by `lockBatches` before, so that of two jobs that end together exactly one finds itself the last.
 */
export async function endBatchItem({ tx, now }: Write, batchId: string): Promise<void> {
  const batch = await tx
    .updateTable('batches')
    .set({ finished_at: now })
    .where('id', '=', batchId)
    .where('finished_at', 'is', null)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('jobs').select('id').where('batch_id', '=', batchId).where('finished_at', 'is', null),
        ),
      ),
    )
    .returning(['owner_id'])
    .executeTakeFirst();
  if (!batch) return;
  const counts = { pending: 0, processing: 0, completed: 0, failed: 0, cancelled: 0 };
  // Of an item that was tried again only the last try counts, which is the deepest; clocks may differ.
  const rows = await tx
    .selectFrom((from) =>
      from
        .selectFrom('jobs')
        .select(['status', 'deleted_at'])
        .distinctOn('batch_index')
        .where('batch_id', '=', batchId)
        .orderBy('batch_index')
        .orderBy('depth', 'desc')
        .as('latest'),
    )
    .where('deleted_at', 'is', null)
    .select(['status', sql<number>`count(*)`.as('count')])
    .groupBy('status')
    .execute();
  for (const row of rows) counts[row.status as Job['status']] = row.count;
  const type = `batch.${outcomeOf(counts)}`;
  await appendEvents(tx, [{ ownerId: batch.owner_id, batchId, type, data: counts, at: now }]);
}
