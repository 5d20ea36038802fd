import type { Kysely } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { Write } from './write.ts';

const LIMIT = 500;

export interface StuckStep {
  id: string;
  stage: string;
  /** The number of its attempt. */
  tries: number;
}

/** Jobs in work whose step should have come to an end by now: its task was lost, or its retries are used up. */
export async function findStuckSteps(db: Kysely<DB>, now: Date): Promise<StuckStep[]> {
  return db
    .selectFrom('jobs')
    .select(['id', 'stage', 'tries'])
    .where('status', '=', 'processing')
    .where('stage', 'in', ['submitting', 'unconfirmed', 'archiving'])
    .where('due_at', '<=', now)
    .limit(LIMIT)
    .execute();
}

/** Jobs that have been in work since before `startedBefore`; a paid call that is being made is left alone. */
export async function findHopeless(
  db: Kysely<DB>,
  startedBefore: Date,
): Promise<{ id: string; stage: string }[]> {
  return db
    .selectFrom('jobs')
    .select(['id', 'stage'])
    .where('status', '=', 'processing')
    .where('stage', '<>', 'submitting')
    .where('started_at', '<', startedBefore)
    .limit(LIMIT)
    .execute();
}

/** Gives stuck steps another span of time before they count as stuck again. */
export async function postponeSteps(write: Write, ids: string[], until: Date): Promise<void> {
  await write.tx.updateTable('jobs').set({ due_at: until }).where('id', 'in', ids).execute();
}

/** Jobs that were deleted while an answer was still awaited, and for which it has not come since `before`. */
export async function findForgotten(db: Kysely<DB>, before: Date): Promise<string[]> {
  const rows = await db
    .selectFrom('jobs')
    .select('id')
    .where('deleted_at', '<', before)
    .where('trashed_at', 'is', null)
    .limit(LIMIT)
    .execute();
  return rows.map(({ id }) => id);
}

/** Jobs that wait for a connection which has not been configured since before they were created. */
export async function findUnroutable(
  db: Kysely<DB>,
  connections: string[],
  createdBefore: Date,
): Promise<string[]> {
  const rows = await db
    .selectFrom('jobs')
    .select('id')
    .where('status', '=', 'pending')
    .where('connection', 'not in', ['', ...connections])
    .where('created_at', '<', createdBefore)
    .limit(LIMIT)
    .execute();
  return rows.map(({ id }) => id);
}

/** Cancelled jobs of which the upstream has said nothing yet; not those that were cancelled before `since`. */
export async function findUnsettledCancels(db: Kysely<DB>, since: Date, before: Date): Promise<string[]> {
  const rows = await db
    .selectFrom('jobs')
    .select('id')
    .where('cancel_outcome', '=', 'unknown')
    .where('finished_at', '>=', since)
    .where('finished_at', '<', before)
    .limit(LIMIT)
    .execute();
  return rows.map(({ id }) => id);
}
