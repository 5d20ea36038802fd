import type { Transaction } from 'kysely';
import type { Db } from '../database/open.ts';
import type { InvitationsTable } from '../database/schema-people.ts';
import type { DB } from '../database/schema.ts';

/** Takes the place of what the same one asked for before, for the same address. */
export async function insertInvitation(db: Db, invitation: InvitationsTable): Promise<void> {
  await db.deleteFrom('invitations').where('expires_at', '<', invitation.created_at).execute();
  if (invitation.invited_by !== null) {
    await db
      .deleteFrom('invitations')
      .where((eb) => eb(eb.fn('lower', ['email']), '=', invitation.email.toLowerCase()))
      .where('invited_by', 'is not', null)
      .execute();
  }
  await db.insertInto('invitations').values(invitation).execute();
}

export async function findInvitation(db: Db, tokenHash: string, now: Date) {
  return db
    .selectFrom('invitations')
    .selectAll()
    .where('token_hash', '=', tokenHash)
    .where('expires_at', '>', now)
    .executeTakeFirst();
}

/** Whether an admin has invited this address. */
export async function isInvited(db: Db, email: string, now: Date): Promise<boolean> {
  const row = await db
    .selectFrom('invitations')
    .select('id')
    .where((eb) => eb(eb.fn('lower', ['email']), '=', email.toLowerCase()))
    .where('invited_by', 'is not', null)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  return row !== undefined;
}

/** An invitation serves once: false when somebody else was faster. */
export async function takeInvitation(tx: Transaction<DB>, id: string): Promise<boolean> {
  const row = await tx.deleteFrom('invitations').where('id', '=', id).returning('id').executeTakeFirst();
  return row !== undefined;
}

/** Nobody becomes a user twice. */
export async function deleteInvitationsOf(db: Db, email: string): Promise<void> {
  await db
    .deleteFrom('invitations')
    .where((eb) => eb(eb.fn('lower', ['email']), '=', email.toLowerCase()))
    .execute();
}

/** What an admin promised who is none any more. */
export async function deleteInvitationsFrom(db: Db, userId: string): Promise<void> {
  await db.deleteFrom('invitations').where('invited_by', '=', userId).execute();
}

/** Those of admins; what people asked for themselves is theirs alone. */
export async function listInvitations(db: Db, now: Date) {
  return db
    .selectFrom('invitations')
    .select(['id', 'email', 'invited_by', 'created_at', 'expires_at'])
    .where('invited_by', 'is not', null)
    .where('expires_at', '>', now)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
}

export async function deleteInvitation(db: Db, id: string): Promise<string | undefined> {
  const row = await db
    .deleteFrom('invitations')
    .where('id', '=', id)
    .where('invited_by', 'is not', null)
    .returning('email')
    .executeTakeFirst();
  return row?.email;
}
