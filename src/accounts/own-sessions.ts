import { AppError } from '../core/errors.ts';
import type { Accounts } from './accounts.ts';
import { actor } from './actor.ts';
import { appendAudit } from './audit.repository.ts';
import { findPassword, replacePassword } from './people.repository.ts';
import type { Principal } from './principal.ts';
import { deleteSessions, findPerson, setActiveTeam } from './sessions.repository.ts';

/** Who is calling, for whom, and where else they could. */
export async function whoAmI({ db }: Accounts, caller: Principal) {
  const { user, teams } = await findPerson(db, caller.userId);
  const team = teams.find(({ teamId }) => teamId === caller.ownerId);
  return {
    user: { userId: user.id, name: user.name, email: user.email, role: user.role, image: user.image },
    space: {
      ownerId: caller.ownerId,
      kind: caller.ownerId === user.id ? ('user' as const) : ('team' as const),
      name: team?.name ?? user.name,
      role: team?.role ?? null,
    },
    teams,
    sessionId: caller.credentialId.startsWith('session_') ? caller.credentialId : null,
  };
}

/** Ends one session of the caller, or all but this one. Throws `session_not_found`. Returns how many ended. */
export async function endSessions(
  { db, clock, sessions }: Accounts,
  caller: Principal,
  id: string | undefined,
  address: string,
): Promise<number> {
  const which = id === undefined ? { allBut: caller.credentialId } : { id };
  const ended = await db.transaction().execute(async (tx) => {
    const ids = await deleteSessions(tx, caller.userId, which);
    if (id !== undefined && ids.length === 0) throw new AppError('session_not_found');
    const entry = {
      action: 'session.revoked',
      subjectId: id ?? caller.userId,
      details: { sessions: ids.length },
    };
    await appendAudit(tx, { ...actor({ caller, address }), ...entry }, new Date(clock.now()));
    return ids.length;
  });
  sessions.forget(caller.userId);
  return ended;
}

/**
 * Every other session ends with the old password, in one transaction: whoever knew it is out. Throws `wrong_password`,
 * `too_many_attempts`.
 */
export async function changePassword(
  { db, clock, auth, throttle, sessions }: Accounts,
  caller: Principal,
  { currentPassword, newPassword }: { currentPassword: string; newPassword: string },
  address: string,
): Promise<void> {
  const { userId } = caller;
  const right = await throttle.attempt(userId, address);
  const former = await findPassword(db, userId);
  if (former === undefined || !(await auth.password.verify({ hash: former, password: currentPassword })))
    throw new AppError('wrong_password');
  await right();
  const now = new Date(clock.now());
  const next = await auth.password.hash(newPassword);
  await db.transaction().execute(async (tx) => {
    // Somebody has changed it meanwhile: then what was shown is the current one no more.
    if (!(await replacePassword(tx, userId, { former, next }, now))) throw new AppError('wrong_password');
    await deleteSessions(tx, userId, { allBut: caller.credentialId });
    const entry = { action: 'password.changed', subjectId: userId };
    await appendAudit(tx, { ...actor({ caller, address }), ...entry }, now);
  });
  sessions.forget(userId);
}

/** From now on the session works in a team, or for the person alone. Throws `team_not_found`. */
export async function switchSpace(
  { db, sessions }: Accounts,
  caller: Principal,
  teamId: string | null,
): Promise<Principal> {
  const { credentialId: sessionId, userId } = caller;
  if (!(await setActiveTeam(db, { sessionId, userId, teamId }))) throw new AppError('team_not_found');
  sessions.forget(userId);
  return { ...caller, ownerId: teamId ?? userId };
}
