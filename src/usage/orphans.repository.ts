import type { Transaction } from 'kysely';
import type { Micros } from '../core/money.ts';
import type { DB } from '../database/schema.ts';
import type { Charged } from './ledger.repository.ts';

/**
 * Writes down what a provider charges, or may charge, for an attempt that no job pays for: a debt to the connection that
 * belongs to no owner. Doing it again changes nothing.
 */
export async function chargeOrphan(
  tx: Transaction<DB>,
  {
    job,
    attemptId,
    micros,
    note,
  }: {
    job: Pick<Charged, 'id' | 'owner_id' | 'api_key_id' | 'batch_id' | 'connection' | 'model'>;
    attemptId: string;
    micros: Micros;
    note: string;
  },
  now: Date,
): Promise<void> {
  if (micros <= 0) return;
  await tx
    .insertInto('ledger')
    .values({
      kind: 'orphan',
      debit: `orphaned/${job.connection}`,
      credit: `owed/${job.connection}`,
      amount_micros: micros,
      owner_id: job.owner_id,
      api_key_id: job.api_key_id,
      batch_id: job.batch_id,
      connection: job.connection,
      model: job.model,
      job_id: job.id,
      attempt_id: attemptId,
      note,
      created_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
