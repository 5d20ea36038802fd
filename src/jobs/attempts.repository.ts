import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { Json } from '../core/json.ts';
import type { DB } from '../database/schema.ts';
import type { AttemptsTable } from '../database/schema-engine.ts';

/** One paid call for a job. */
export type Attempt = Selectable<AttemptsTable>;

export type AttemptState = Attempt['state'];

/**
 * - `intended`: committed before the call; none is being made.
 * - `sent`: the call is being made, or was cut off while it was.
 * - `accepted`: the upstream took it and gave an operation.
 * - `rejected`: the upstream surely did not take it; nothing was paid.
 * - `unconfirmed`: the answer was lost; it may have been taken.
 * - `orphaned`: the upstream took it after it had been concluded that it had not.
 */
const ATTEMPT_TRANSITIONS: Record<AttemptState, readonly AttemptState[]> = {
  intended: ['sent', 'rejected'],
  sent: ['intended', 'accepted', 'rejected', 'unconfirmed'],
  unconfirmed: ['accepted', 'rejected'],
  accepted: [],
  rejected: ['orphaned'],
  orphaned: [],
};

export async function insertAttempts(
  tx: Transaction<DB>,
  rows: { id: string; jobId: string; number: number; connection: string; plan: object }[],
  now: Date,
): Promise<void> {
  const values = rows.map((row) => ({
    id: row.id,
    job_id: row.jobId,
    number: row.number,
    connection: row.connection,
    state: 'intended' as const,
    plan: JSON.stringify(row.plan),
    created_at: now,
  }));
  if (values.length > 0) await tx.insertInto('attempts').values(values).execute();
}

export interface AttemptChange {
  operation?: Json;
  error?: { code: string; message: string };
}

/** Guarded like a job's move: returns nothing, and changes nothing, when the attempt is not where `to` may follow. */
export async function moveAttempt(
  db: Kysely<DB> | Transaction<DB>,
  id: string,
  to: AttemptState,
  now: Date,
  change: AttemptChange = {},
): Promise<Attempt | undefined> {
  const sources = (Object.keys(ATTEMPT_TRANSITIONS) as AttemptState[]).filter((from) =>
    ATTEMPT_TRANSITIONS[from].includes(to),
  );
  return db
    .updateTable('attempts')
    .set({
      state: to,
      ...(to === 'sent' ? { sent_at: now } : {}),
      ...(to === 'accepted' || to === 'rejected' || to === 'orphaned' ? { settled_at: now } : {}),
      ...(change.operation !== undefined ? { operation: JSON.stringify(change.operation) } : {}),
      ...(change.error ? { error_code: change.error.code, error_message: change.error.message } : {}),
    })
    .where('id', '=', id)
    .where('state', 'in', sources)
    .returningAll()
    .executeTakeFirst();
}

/** Takes back an attempt that has not been sent; false when it has, and somebody may have taken it. */
export async function withdrawAttempt(tx: Transaction<DB>, id: string, now: Date): Promise<boolean> {
  const row = await tx
    .updateTable('attempts')
    .set({ state: 'rejected', settled_at: now })
    .where('id', '=', id)
    .where('state', '=', 'intended')
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Holds an attempt until the transaction ends: a transaction that writes a call down, or concludes something, does so first. */
export async function lockAttempt(tx: Transaction<DB>, id: string): Promise<Attempt | undefined> {
  return tx.selectFrom('attempts').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
}

/** The same for all attempts of some jobs, in one order for everybody. */
export async function lockAttemptsOf(tx: Transaction<DB>, jobIds: readonly string[]): Promise<void> {
  await tx
    .selectFrom('attempts')
    .select('id')
    .where('job_id', 'in', [...jobIds])
    .orderBy('id')
    .forUpdate()
    .execute();
}

export async function findAttempt(
  db: Kysely<DB> | Transaction<DB>,
  id: string,
): Promise<Attempt | undefined> {
  return db.selectFrom('attempts').selectAll().where('id', '=', id).executeTakeFirst();
}

/** The one attempt of a job that counts: neither rejected nor orphaned. */
export async function findLiveAttempt(
  db: Kysely<DB> | Transaction<DB>,
  jobId: string,
): Promise<Attempt | undefined> {
  return db
    .selectFrom('attempts')
    .selectAll()
    .where('job_id', '=', jobId)
    .where('state', 'not in', ['rejected', 'orphaned'])
    .executeTakeFirst();
}

/** The attempt that has this operation of the connection. */
export async function findClaim(
  db: Kysely<DB> | Transaction<DB>,
  connection: string,
  operation: Json,
): Promise<Attempt | undefined> {
  // As the unique index has it: operations may be too long to be indexed themselves.
  return db
    .selectFrom('attempts')
    .selectAll()
    .where('connection', '=', connection)
    .where('operation', 'is not', null)
    .where(sql<boolean>`md5(operation::text) = md5(${JSON.stringify(operation)}::jsonb::text)`)
    .executeTakeFirst();
}

/** Keeps what the last look into the provider's list saw. */
export async function recordEvidence(db: Kysely<DB>, id: string, evidence: object): Promise<void> {
  await db
    .updateTable('attempts')
    .set({ evidence: JSON.stringify(evidence) })
    .where('id', '=', id)
    .execute();
}
