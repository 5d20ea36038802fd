import type { Kysely } from 'kysely';
import type { Actor } from '../accounts/actor.ts';
import { appendAudit } from '../accounts/audit.repository.ts';
import { deleteInvitationsFrom } from '../accounts/invitations.repository.ts';
import type { Principal } from '../accounts/principal.ts';
import { deleteInvitationsBy } from '../accounts/team-invitations.repository.ts';
import { AppError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { DB } from '../database/schema.ts';
import { findUser, lockAdmins, lockUser, updateUser, type UserRow } from './users.repository.ts';

export interface UserChange {
  name?: string;
  role?: UserRow['role'];
  disabled?: boolean;
}

/**
 * Changes a user, with its audit entry. Throws `user_not_found`, `last_admin` when nobody with power would be left, and
 * `forbidden` when the actor has lost theirs in the meantime. Every process hears of a change of power when it commits.
 */
export async function changeUser(
  db: Kysely<DB>,
  { isAdminByToken = false, ...actor }: Actor & Pick<Principal, 'isAdminByToken'>,
  id: string,
  change: UserChange,
  now: Date,
): Promise<UserRow> {
  return db.transaction().execute(async (tx) => {
    const admins = await lockAdmins(tx);
    const isAdmin = isAdminByToken
      ? (await findUser(tx, actor.actorId))?.disabled_at === null
      : admins.includes(actor.actorId);
    if (!isAdmin) throw new AppError('forbidden', { message: 'You are no longer an admin.' });
    const user = await lockUser(tx, id);
    if (!user) throw new AppError('user_not_found');
    const role = change.role ?? user.role;
    const isDisabled = change.disabled ?? user.disabled_at !== null;
    const keepsPower = role === 'admin' && !isDisabled;
    if (!keepsPower && admins.every((admin) => admin === id)) throw new AppError('last_admin');
    const changed = changesOf(user, change);
    if (Object.keys(changed).length === 0) return user;
    const updated = await updateUser(
      tx,
      id,
      {
        ...(change.name === undefined ? {} : { name: change.name }),
        role,
        disabled_at: isDisabled ? (user.disabled_at ?? now) : null,
      },
      now,
    );
    const isLockedOut = isDisabled && user.disabled_at === null;
    if (isLockedOut || role !== user.role) await deleteInvitationsFrom(tx, id);
    if (isLockedOut) await deleteInvitationsBy(tx, 'every team', id);
    const details: JsonObject = changed;
    await appendAudit(tx, { ...actor, action: 'user.changed', subjectId: id, details }, now);
    return updated;
  });
}

/** What is other than before, as `[from, to]`. */
function changesOf(user: UserRow, change: UserChange): JsonObject {
  const before = { name: user.name, role: user.role, disabled: user.disabled_at !== null };
  const names = ['name', 'role', 'disabled'] as const;
  const changed = names.filter((name) => change[name] !== undefined && change[name] !== before[name]);
  return Object.fromEntries(changed.map((name) => [name, [before[name], change[name] ?? null]]));
}
