import { type Kysely, type Selectable, sql } from 'kysely';
import type { Json } from '../core/json.ts';
import type { DB } from '../database/schema.ts';
import type { AttemptsTable } from '../database/schema-engine.ts';
import type { Call } from './calls.repository.ts';

/** An attempt with what decides whose a listed video is. */
export interface DoubtfulRow {
  attempt: Pick<Selectable<AttemptsTable>, 'id' | 'plan' | 'sent_at'>;
  calls: Call[];
  hasInputs: boolean;
}

/**
 * The other attempts of a connection that a listed video may belong to: those whose answers are out, and, since a picture
 * of one person must never become another's video, those with a picture that were given up although an answer was lost.
 */
export async function findRivals(
  db: Kysely<DB>,
  { id, connection }: { id: string; connection: string },
  since: Date,
): Promise<DoubtfulRow[]> {
  const rows = await db
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .select(['attempts.id', 'attempts.plan', 'attempts.sent_at', 'jobs.reference_key'])
    .where('attempts.connection', '=', connection)
    .where('attempts.id', '<>', id)
    .where((eb) =>
      eb.or([
        eb('attempts.state', 'in', ['sent', 'unconfirmed']),
        eb.and([
          eb('attempts.state', '=', 'rejected'),
          eb('attempts.settled_at', '>=', since),
          eb('jobs.reference_key', 'is not', null),
          eb.exists(
            eb
              .selectFrom('calls')
              .select('calls.id')
              .whereRef('calls.attempt_id', '=', 'attempts.id')
              .where('calls.outcome', '=', 'lost'),
          ),
        ]),
      ]),
    )
    .execute();
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const calls = await db.selectFrom('calls').selectAll().where('attempt_id', 'in', ids).execute();
  return rows.map(({ reference_key: reference, ...attempt }) => ({
    attempt,
    calls: calls.filter((call) => call.attempt_id === attempt.id),
    hasInputs: reference !== null,
  }));
}

/** Whose a listed video is. */
export interface Claim {
  /** The place of its operation in the question. */
  place: number;
  /** Undefined when its job has been deleted. */
  attemptId: string | undefined;
  sentAt: Date | null;
  settledAt: Date | null;
}

/** Those of the operations that an attempt of the connection has, or had before its job was deleted. */
export async function findClaims(
  db: Kysely<DB>,
  connection: string,
  operations: readonly Json[],
): Promise<Claim[]> {
  if (operations.length === 0) return [];
  const { rows } = await sql<Omit<Claim, 'attemptId'> & { attemptId: string | null }>`
    select place::int - 1 as place, attempts.id as "attemptId", attempts.sent_at as "sentAt",
      attempts.settled_at as "settledAt"
    from jsonb_array_elements(${JSON.stringify(operations)}::jsonb) with ordinality as listed (operation, place)
    left join attempts on attempts.connection = ${connection} and attempts.operation is not null
      and md5(attempts.operation::text) = md5(listed.operation::text)
    where attempts.id is not null or exists (
      select from former_operations
      where connection = ${connection} and operation_hash = md5(listed.operation::text))`.execute(db);
  return rows.map(({ attemptId, place, sentAt, settledAt }) => ({
    attemptId: attemptId ?? undefined,
    place,
    sentAt,
    settledAt,
  }));
}

/** The latest attempts of a connection that its upstream took and that were not stopped there, the latest first. */
export async function findLatestAccepted(
  db: Kysely<DB>,
  connection: string,
  since: Date,
  limit: number,
): Promise<{ id: string; settledAt: Date }[]> {
  const rows = await db
    .selectFrom('attempts')
    .select(['id', 'settled_at'])
    .where('connection', '=', connection)
    .where('state', '=', 'accepted')
    .where('stop_sent_at', 'is', null)
    .where('settled_at', '>=', since)
    .orderBy('settled_at', 'desc')
    .limit(limit)
    .execute();
  return rows.flatMap(({ id, settled_at: settledAt }) => (settledAt ? [{ id, settledAt }] : []));
}

/** Forgets operations of deleted jobs that no list is compared with any more. */
export async function deleteFormerOperations(db: Kysely<DB>, before: Date): Promise<void> {
  await db.deleteFrom('former_operations').where('deleted_at', '<', before).execute();
}
