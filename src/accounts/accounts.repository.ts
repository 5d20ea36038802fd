import type { Kysely, Transaction } from 'kysely';
import { newId, sha256 } from '../core/ids.ts';
import type { DB } from '../database/schema.ts';
import { type Principal, type Scope, SCOPES } from './principal.ts';

/** The user that the key of the settings belongs to. */
const ADMIN_ID = 'usr_admin';
/** Marks keys that come from the settings, so that a changed setting revokes its predecessor. */
const SETTINGS_KEY_NAME = 'API_KEY setting';

/** Who a key stands for, and until when. */
export interface KeyHolder {
  principal: Principal;
  expiresAt: Date | null;
}

/**
 * Who a key's hash stands for; nobody once it is revoked or expired, its user is locked out, or no member any more of the
 * team it is for.
 */
export async function findPrincipal(
  db: Kysely<DB>,
  keyHash: string,
  now: Date,
): Promise<KeyHolder | undefined> {
  const row = await db
    .selectFrom('api_keys')
    .innerJoin('users', 'users.id', 'api_keys.user_id')
    .select([
      'api_keys.id as keyId',
      'api_keys.owner_id as ownerId',
      'api_keys.scopes as scopes',
      'api_keys.models as models',
      'api_keys.expires_at as expiresAt',
      'users.id as userId',
      'users.role as role',
    ])
    .where('api_keys.key_hash', '=', keyHash)
    .where('api_keys.revoked_at', 'is', null)
    .where('users.disabled_at', 'is', null)
    .where((eb) => eb.or([eb('api_keys.expires_at', 'is', null), eb('api_keys.expires_at', '>', now)]))
    .where((eb) =>
      eb.or([
        eb('api_keys.owner_id', '=', eb.ref('api_keys.user_id')),
        eb.exists(
          eb
            .selectFrom('team_members')
            .select('team_members.id')
            .whereRef('team_members.team_id', '=', 'api_keys.owner_id')
            .whereRef('team_members.user_id', '=', 'api_keys.user_id'),
        ),
      ]),
    )
    .executeTakeFirst();
  if (!row) return undefined;
  const { expiresAt, scopes, ...rest } = row;
  const principal = { ...rest, scopes: new Set(scopes as Scope[]), credentialId: row.keyId };
  return { principal, expiresAt };
}

/**
 * Makes the given key an admin key. One from the settings takes the place of its predecessor; generated ones stand side
 * by side, since every machine may have its own.
 */
export async function adoptAdminKey(
  db: Kysely<DB>,
  { key, generated }: { key: string; generated: boolean },
  now: Date,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx
      .insertInto('users')
      .values({ id: ADMIN_ID, name: 'Admin', role: 'admin', created_at: now })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    if (!generated) {
      await tx
        .updateTable('api_keys')
        .set({ revoked_at: now })
        .where('user_id', '=', ADMIN_ID)
        .where('name', '=', SETTINGS_KEY_NAME)
        .where('key_hash', '<>', sha256(key))
        .where('revoked_at', 'is', null)
        .execute();
    }
    const name = generated ? 'generated at the first start' : SETTINGS_KEY_NAME;
    await insertKey(tx, { userId: ADMIN_ID, name, key }, now);
  });
}

/** Stores a key that may do everything, as its hash; a key that is there already is made valid again, without an end. */
export async function insertKey(
  db: Kysely<DB> | Transaction<DB>,
  { userId, name, key }: { userId: string; name: string; key: string },
  now: Date,
): Promise<void> {
  const row = {
    id: newId('key'),
    user_id: userId,
    name,
    // A short one must not be given away by what lists show.
    prefix: key.slice(0, Math.min(8, Math.floor(key.length / 3))),
    key_hash: sha256(key),
    owner_id: userId,
    scopes: [...SCOPES],
    created_at: now,
  };
  await db
    .insertInto('api_keys')
    .values(row)
    .onConflict((conflict) => conflict.column('key_hash').doUpdateSet({ revoked_at: null, expires_at: null }))
    .execute();
}

export async function insertUser(
  db: Kysely<DB>,
  user: { name: string; role: Principal['role'] },
  now: Date,
): Promise<string> {
  const id = newId('usr');
  await db
    .insertInto('users')
    .values({ id, ...user, created_at: now })
    .execute();
  return id;
}
