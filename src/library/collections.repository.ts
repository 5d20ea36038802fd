import { sql } from 'kysely';
import type { Db } from '../database/open.ts';
import type { Write } from '../jobs/write.ts';

/** A shelf with what stands on it; the trash does not count. */
export interface Collection {
  id: string;
  name: string;
  createdAt: Date;
  videos: number;
  bytes: number;
}

/** The collections of an owner by name, or the one of that id. */
export async function listCollections(db: Db, ownerId: string, id?: string): Promise<Collection[]> {
  let query = db
    .selectFrom('collections')
    .leftJoinLateral(
      (from) =>
        from
          .selectFrom('jobs')
          .select([
            sql<number>`count(*)`.as('videos'),
            sql<number>`coalesce(sum(stored_bytes), 0)`.as('bytes'),
          ])
          .whereRef('jobs.owner_id', '=', 'collections.owner_id')
          .whereRef('jobs.collection_id', '=', 'collections.id')
          .where('jobs.deleted_at', 'is', null)
          .as('held'),
      (join) => join.onTrue(),
    )
    .select(['id', 'name', 'created_at as createdAt', 'held.videos', 'held.bytes'])
    .where('owner_id', '=', ownerId)
    .orderBy(sql`lower(name)`)
    .orderBy('id');
  if (id !== undefined) query = query.where('id', '=', id);
  const rows = await query.execute();
  return rows.map(({ id, name, createdAt, videos, bytes }) => ({
    id,
    name,
    createdAt,
    videos: videos ?? 0,
    bytes: bytes ?? 0,
  }));
}

export async function countCollections(db: Db, ownerId: string): Promise<number> {
  const { count } = await db
    .selectFrom('collections')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('owner_id', '=', ownerId)
    .executeTakeFirstOrThrow();
  return count;
}

/** False when the owner has one of that name, whatever its case. */
export async function insertCollection(
  db: Db,
  row: { id: string; ownerId: string; name: string; createdAt: Date },
): Promise<boolean> {
  const inserted = await db
    .insertInto('collections')
    .values({ id: row.id, owner_id: row.ownerId, name: row.name, created_at: row.createdAt })
    .onConflict((conflict) => conflict.expression(sql`owner_id, lower(name)`).doNothing())
    .returning('id')
    .executeTakeFirst();
  return inserted !== undefined;
}

/** `taken`: the owner has another one of that name. */
export async function renameCollection(
  db: Db,
  ownerId: string,
  id: string,
  name: string,
): Promise<'renamed' | 'taken' | 'missing'> {
  try {
    const { numUpdatedRows } = await db
      .updateTable('collections')
      .set({ name })
      .where('id', '=', id)
      .where('owner_id', '=', ownerId)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n ? 'renamed' : 'missing';
  } catch (error) {
    if ((error as { constraint?: unknown }).constraint === 'collections_name') return 'taken';
    throw error;
  }
}

/** Removes a collection and leaves its videos. False when there is none. */
export async function deleteCollection(write: Write, ownerId: string, id: string): Promise<boolean> {
  // Locked first: whoever wants to put a video there meanwhile waits, and then finds it gone.
  const held = await write.tx
    .selectFrom('collections')
    .select('id')
    .where('id', '=', id)
    .where('owner_id', '=', ownerId)
    .forUpdate()
    .executeTakeFirst();
  if (!held) return false;
  const jobs = await write.tx
    .updateTable('jobs')
    .set({ collection_id: null })
    .where('collection_id', '=', id)
    .returning('id')
    .execute();
  for (const job of jobs) write.changed(job.id);
  await write.tx.deleteFrom('collections').where('id', '=', id).execute();
  return true;
}
