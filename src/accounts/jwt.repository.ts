import type { Kysely } from 'kysely';
import { sha256 } from '../core/ids.ts';
import type { DB } from '../database/schema.ts';
import { appendAudit } from './audit.repository.ts';

export interface Outsider {
  issuer: string;
  subject: string;
  /** What they are called when they are new here. */
  name: string;
}

export interface KnownOutsider {
  id: string;
  role: 'user' | 'admin';
  isDisabled: boolean;
}

/** Who a `sub` is here. At first sight a user is made; of several first sights at once one makes it. */
export async function findOrAddOutsider(
  db: Kysely<DB>,
  outsider: Outsider,
  now: Date,
): Promise<KnownOutsider> {
  const known = await find(db, outsider);
  if (known) return known;
  const { issuer, subject, name } = outsider;
  // The same however often it is computed, so that two first sights make one user.
  const id = `usr_${sha256(JSON.stringify([issuer, subject])).slice(0, 32)}`;
  await db.transaction().execute(async (tx) => {
    await tx
      .insertInto('users')
      .values({ id, name, role: 'user', created_at: now })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute();
    const made = await tx
      .insertInto('outside_identities')
      .values({ issuer, subject, user_id: id, created_at: now })
      .onConflict((conflict) => conflict.doNothing())
      .returning('user_id')
      .executeTakeFirst();
    if (!made) return;
    const details = { issuer, subject };
    await appendAudit(tx, { actorId: id, action: 'user.joined', subjectId: id, details }, now);
  });
  const added = await find(db, outsider);
  if (!added) throw new Error('a user who was just added is not there');
  return added;
}

async function find(db: Kysely<DB>, { issuer, subject }: Outsider): Promise<KnownOutsider | undefined> {
  const row = await db
    .selectFrom('outside_identities')
    .innerJoin('users', 'users.id', 'outside_identities.user_id')
    .select(['users.id as id', 'users.role as role', 'users.disabled_at as disabledAt'])
    .where('outside_identities.issuer', '=', issuer)
    .where('outside_identities.subject', '=', subject)
    .executeTakeFirst();
  return row && { id: row.id, role: row.role, isDisabled: row.disabledAt !== null };
}
