import { sql } from 'kysely';
import type { Db } from '../database/open.ts';
import type { Job } from '../jobs/job.ts';

/** Jobs of an owner, those in the trash included; never what is hidden until the provider's answer. */
export async function findOwned(db: Db, ownerId: string, ids: readonly string[]): Promise<Job[]> {
  return owned(db, ownerId, ids).execute();
}

/** The same, locked in one order, so that two that want the same jobs wait for each other instead of dying of it. */
export async function lockOwned(db: Db, ownerId: string, ids: readonly string[]): Promise<Job[]> {
  return owned(db, ownerId, ids).orderBy('id').forUpdate().execute();
}

function owned(db: Db, ownerId: string, ids: readonly string[]) {
  return db
    .selectFrom('jobs')
    .selectAll()
    .where('id', '=', sql<string>`any(${[...ids]}::text[])`)
    .where('owner_id', '=', ownerId)
    .where((eb) => eb.or([eb('deleted_at', 'is', null), eb('trashed_at', 'is not', null)]));
}
