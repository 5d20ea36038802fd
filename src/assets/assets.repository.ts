import { type Insertable, type Kysely, type Selectable, sql } from 'kysely';
import type { Place } from '../core/cursor.ts';
import type { AssetsTable, DB } from '../database/schema.ts';

/** A reference image of somebody's, as it is stored. */
export type Asset = Selectable<AssetsTable>;

/**
 * Inserts an asset, or touches the one that the owner has of the same content: that one is returned then, with the name
 * that was given last.
 */
export async function upsertAsset(db: Kysely<DB>, asset: Insertable<AssetsTable>): Promise<Asset> {
  return db
    .insertInto('assets')
    .values(asset)
    .onConflict((conflict) =>
      conflict.columns(['owner_id', 'sha256']).doUpdateSet((eb) => ({
        used_at: eb.ref('excluded.used_at'),
        name: eb.fn.coalesce('excluded.name', 'assets.name'),
      })),
    )
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function findAsset(db: Kysely<DB>, ownerId: string, id: string): Promise<Asset | undefined> {
  return db
    .selectFrom('assets')
    .selectAll()
    .where('id', '=', id)
    .where('owner_id', '=', ownerId)
    .executeTakeFirst();
}

/** Notes that an asset is being used, and returns it. */
export async function touchAsset(
  db: Kysely<DB>,
  ownerId: string,
  id: string,
  now: Date,
): Promise<Asset | undefined> {
  return db
    .updateTable('assets')
    .set({ used_at: now })
    .where('id', '=', id)
    .where('owner_id', '=', ownerId)
    .returningAll()
    .executeTakeFirst();
}

/** False when there was none. Jobs that name it forget its id and keep their picture. */
export async function deleteAsset(db: Kysely<DB>, ownerId: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('assets')
    .where('id', '=', id)
    .where('owner_id', '=', ownerId)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Newest first; `after` a place, or from an offset. */
export async function pageAssets(
  db: Kysely<DB>,
  ownerId: string,
  page: { limit: number; offset: number; after: Place | undefined },
): Promise<Asset[]> {
  let query = db.selectFrom('assets').selectAll().where('owner_id', '=', ownerId);
  const { after } = page;
  if (after) query = query.where(sql<boolean>`(created_at, id) < (${after.at}, ${after.id})`);
  return query
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(page.limit)
    .offset(after ? 0 : page.offset)
    .execute();
}

export async function countAssets(db: Kysely<DB>, ownerId: string): Promise<number> {
  const { total } = await db
    .selectFrom('assets')
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .where('owner_id', '=', ownerId)
    .executeTakeFirstOrThrow();
  return Number(total);
}
