import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { Micros } from '../core/money.ts';
import type { ApiKeysTable } from '../database/schema-people.ts';
import type { DB } from '../database/schema.ts';

export type KeyRow = Omit<Selectable<ApiKeysTable>, 'key_hash'>;

/** Which keys a caller gets to see: their own, and of those none that may do more than the caller. */
export interface Reach {
  userId: string;
  /** Only keys of this owner; null: all that the user made. */
  ownerId: string | null;
  scopes: readonly string[];
  /** `admin` of a key counts for nothing, since the user has not got the role. */
  ignoresAdmin: boolean;
  models: readonly string[] | null;
  spendCapMicros: Micros | null;
}

const COLUMNS = [
  'id',
  'user_id',
  'owner_id',
  'name',
  'prefix',
  'scopes',
  'models',
  'spend_cap_micros',
  'created_at',
  'expires_at',
  'revoked_at',
  'last_used_at',
  'rotated_from',
  'family_id',
] as const;

function within(db: Kysely<DB> | Transaction<DB>, reach: Reach) {
  const power = reach.ignoresAdmin ? [...reach.scopes, 'admin'] : reach.scopes;
  return db
    .selectFrom('api_keys')
    .select(COLUMNS)
    .where('user_id', '=', reach.userId)
    .where(sql<boolean>`scopes <@ ${power}::text[]`)
    .$if(reach.ownerId !== null, (query) => query.where('owner_id', '=', reach.ownerId ?? ''))
    .$if(reach.models !== null, (query) =>
      query.where('models', 'is not', null).where(sql<boolean>`models <@ ${reach.models}::text[]`),
    )
    .$if(reach.spendCapMicros !== null, (query) =>
      query.where('spend_cap_micros', '<=', reach.spendCapMicros),
    );
}

/** The latest first; those made before the key `after`, when it is given. */
export async function listKeys(
  db: Kysely<DB>,
  reach: Reach,
  { limit, after }: { limit: number; after?: string | undefined },
): Promise<KeyRow[]> {
  return within(db, reach)
    .$if(after !== undefined, (query) => query.where('id', '<', after ?? ''))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** `lock`: nobody else changes it until the transaction ends. */
export async function findKey(
  db: Kysely<DB> | Transaction<DB>,
  reach: Reach,
  id: string,
  lock = false,
): Promise<KeyRow | undefined> {
  return within(db, reach)
    .where('id', '=', id)
    .$if(lock, (query) => query.forUpdate())
    .executeTakeFirst();
}

export interface KeyLimits extends Pick<KeyRow, 'spend_cap_micros' | 'expires_at'> {
  /** An administrator has said how much may be used with it. */
  has_quota: boolean;
}

/** Limits of the key that a caller shows. */
export async function findLimits(db: Kysely<DB>, keyId: string): Promise<KeyLimits | undefined> {
  const quota = sql<boolean>`exists (select from quotas
    where scope = 'key' and subject_id = coalesce(family_id, api_keys.id) and hard is not null)`;
  return db
    .selectFrom('api_keys')
    .select(['spend_cap_micros', 'expires_at', quota.as('has_quota')])
    .where('id', '=', keyId)
    .executeTakeFirst();
}

export async function addKey(
  tx: Transaction<DB>,
  row: Omit<KeyRow, 'revoked_at' | 'last_used_at'> & { key_hash: string },
): Promise<KeyRow> {
  return tx.insertInto('api_keys').values(row).returning(COLUMNS).executeTakeFirstOrThrow();
}

export async function changeKey(
  tx: Transaction<DB>,
  id: string,
  change: Partial<Pick<KeyRow, 'name' | 'models' | 'spend_cap_micros' | 'expires_at' | 'revoked_at'>>,
): Promise<KeyRow> {
  return tx
    .updateTable('api_keys')
    .set(change)
    .where('id', '=', id)
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
}

/** The key that took this one's place. */
export async function findSuccessor(tx: Transaction<DB>, id: string): Promise<string | undefined> {
  const row = await tx.selectFrom('api_keys').select('id').where('rotated_from', '=', id).executeTakeFirst();
  return row?.id;
}

/**
 * What keys have spent: charges with their corrections, and what is held for videos that have not ended. Keys of one line
 * of rotations count as one.
 */
export async function sumSpent(db: Kysely<DB>, keys: readonly KeyRow[]): Promise<Map<string, Micros>> {
  const families = [...new Set(keys.map(familyOf))];
  if (families.length === 0) return new Map();
  const rows = await db
    .selectFrom('meters')
    .select(['subject_id as family', 'usd_total as micros'])
    .where('scope', '=', 'key')
    .where('subject_id', 'in', families)
    .execute();
  const spent = new Map(rows.map(({ family, micros }) => [family, micros]));
  return new Map(keys.map((key) => [key.id, spent.get(familyOf(key)) ?? 0]));
}

function familyOf({ family_id: familyId, id }: KeyRow): string {
  return familyId ?? id;
}

/** Notes when keys were last used. Whoever noted it less than a minute ago is left alone. */
export async function noteUse(db: Kysely<DB>, ids: readonly string[], at: Date): Promise<void> {
  await sql`update api_keys set last_used_at = ${at}
    where id = any(${ids}) and (last_used_at is null or last_used_at <= ${new Date(at.getTime() - 60_000)})`.execute(
    db,
  );
}
