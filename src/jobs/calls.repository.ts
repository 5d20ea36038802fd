import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { CallsTable } from '../database/schema-engine.ts';

/** One paid call of an attempt, its first or a repetition: committed before it goes out. */
export type Call = Selectable<CallsTable>;

/** How a call ended; see the migration that makes the table. */
export type CallOutcome = NonNullable<Call['outcome']>;

/**
 * Writes a call down before it goes out. The caller holds the attempt's row, so that nothing is concluded about the attempt
 * in the same moment.
 */
export async function insertCall(
  tx: Transaction<DB>,
  attemptId: string,
  sentAt: Date,
  endsAt: Date,
): Promise<Call> {
  const { rows } = await sql<Call>`
    insert into calls (attempt_id, number, sent_at, ends_at)
    select ${attemptId}, coalesce(max(number), 0) + 1, ${sentAt}, ${endsAt} from calls where attempt_id = ${attemptId}
    returning *`.execute(tx);
  const [call] = rows;
  if (!call) throw new Error(`the call of ${attemptId} was not written down`);
  return call;
}

/** Writes down how a call ended; the first word counts. */
export async function endCall(
  tx: Transaction<DB>,
  id: number,
  outcome: CallOutcome,
  now: Date,
): Promise<void> {
  await tx
    .updateTable('calls')
    .set({ ended_at: now, outcome })
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .execute();
}

/** The calls of an attempt, the first one first. */
export async function findCalls(db: Kysely<DB> | Transaction<DB>, attemptId: string): Promise<Call[]> {
  return db.selectFrom('calls').selectAll().where('attempt_id', '=', attemptId).orderBy('number').execute();
}

/** Ends every call that is under way: for a process that knows that it is the only one, and has made none yet. */
export async function endAbandonedCalls(db: Kysely<DB>, now: Date): Promise<void> {
  await db
    .updateTable('calls')
    .set({ ended_at: now, outcome: 'lost' })
    .where('ended_at', 'is', null)
    .execute();
}
