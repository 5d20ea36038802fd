import { sql, type Transaction } from 'kysely';
import { newId, sha256 } from '../core/ids.ts';
import type { Db } from '../database/open.ts';
import type { DB } from '../database/schema.ts';

/** The user behind the admin key of the settings: the first admin's account becomes theirs. */
const FIRST_ADMIN_ID = 'usr_admin';
const FIRST_ADMIN_TOKEN = 'first-admin:';
/** What better-auth calls signing in with a password. */
const PASSWORD_PROVIDER = 'credential';

export interface NewPerson {
  name: string;
  /** However it is written: it is stored in small letters, as it is looked for. */
  email: string;
  /** As better-auth hashed it. */
  passwordHash: string;
}

export async function findByEmail(db: Db, email: string) {
  return db
    .selectFrom('users')
    .select(['id', 'name', 'email'])
    .where((eb) => eb(eb.fn('lower', ['email']), '=', email.toLowerCase()))
    .executeTakeFirst();
}

export async function isEnabled(db: Db, userId: string): Promise<boolean> {
  const user = await db
    .selectFrom('users')
    .select('id')
    .where('id', '=', userId)
    .where('disabled_at', 'is', null)
    .executeTakeFirst();
  return user !== undefined;
}

/** Throws PostgreSQL's unique violation when the address has an account. */
export async function insertPerson(tx: Transaction<DB>, person: NewPerson, now: Date): Promise<string> {
  const id = newId('usr');
  const { name } = person;
  const email = person.email.toLowerCase();
  await tx
    .insertInto('users')
    .values({ id, name, email, email_verified: true, role: 'user', created_at: now, updated_at: now })
    .execute();
  await insertPassword(tx, id, person.passwordHash, now);
  return id;
}

/** There is somebody behind the admin key, but nobody who can sign in as an admin. */
export async function needsFirstAdmin(db: Db): Promise<boolean> {
  const { rows } = await sql<{ needed: boolean }>`
    select not exists (select from users where role = 'admin' and email is not null) as needed`.execute(db);
  return rows[0]?.needed === true;
}

/** Makes the user of the admin key a person, once: of several at the same time one gets their id, the others nothing. */
export async function claimFirstAdmin(
  tx: Transaction<DB>,
  { name, email, passwordHash }: NewPerson,
  now: Date,
): Promise<string | undefined> {
  // Whoever is second waits here, and then finds an address.
  const claimed = await tx
    .updateTable('users')
    .set({ name, email: email.toLowerCase(), email_verified: true, updated_at: now })
    .where('id', '=', FIRST_ADMIN_ID)
    .where('email', 'is', null)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('users as other')
            .select('other.id')
            .where('other.role', '=', 'admin')
            .where('other.email', 'is not', null),
        ),
      ),
    )
    .returning('id')
    .executeTakeFirst();
  if (!claimed) return undefined;
  await insertPassword(tx, claimed.id, passwordHash, now);
  await tx.deleteFrom('verifications').where('identifier', 'like', `${FIRST_ADMIN_TOKEN}%`).execute();
  return claimed.id;
}

async function insertPassword(
  tx: Transaction<DB>,
  userId: string,
  password: string,
  now: Date,
): Promise<void> {
  const id = newId('acc');
  const common = { provider_id: PASSWORD_PROVIDER, account_id: userId, created_at: now, updated_at: now };
  await tx
    .insertInto('accounts')
    .values({ id, user_id: userId, password, ...common })
    .execute();
}

/** The hash of somebody's password; undefined for who has none. */
export async function findPassword(db: Db, userId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('accounts')
    .select('password')
    .where('user_id', '=', userId)
    .where('provider_id', '=', PASSWORD_PROVIDER)
    .executeTakeFirst();
  return row?.password ?? undefined;
}

/** Of two at the same moment one comes first; false for the other. */
export async function replacePassword(
  tx: Transaction<DB>,
  userId: string,
  { former, next }: { former: string; next: string },
  now: Date,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('accounts')
    .set({ password: next, updated_at: now })
    .where('user_id', '=', userId)
    .where('provider_id', '=', PASSWORD_PROVIDER)
    .where('password', '=', former)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function insertFirstAdminToken(
  db: Db,
  token: string,
  now: Date,
  expiresAt: Date,
): Promise<void> {
  await db.deleteFrom('verifications').where('expires_at', '<', now).execute();
  const times = { created_at: now, updated_at: now, expires_at: expiresAt };
  const identifier = FIRST_ADMIN_TOKEN + sha256(token);
  await db
    .insertInto('verifications')
    .values({ id: newId('ver'), identifier, value: '', ...times })
    .execute();
}

export async function isFirstAdminToken(db: Db, token: string, now: Date): Promise<boolean> {
  const row = await db
    .selectFrom('verifications')
    .select('id')
    .where('identifier', '=', FIRST_ADMIN_TOKEN + sha256(token))
    .where('expires_at', '>', now)
    .executeTakeFirst();
  return row !== undefined;
}
