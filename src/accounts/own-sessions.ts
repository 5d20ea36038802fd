import { APIError } from 'better-auth/api';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../core/errors.ts';
import type { Accounts } from './accounts.ts';
import { appendAudit } from './audit.repository.ts';
import type { Principal } from './principal.ts';
import { deleteSessions, findPerson, setActiveTeam } from './sessions.repository.ts';
import { authHeaders } from './sign-in.ts';
import { actor } from './sign-up.ts';

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
    await appendAudit(tx, { ...actor(caller, address), ...entry }, new Date(clock.now()));
    return ids.length;
  });
  sessions.forget(caller.userId);
  return ended;
}

/** Every other session ends: whoever knew the old password is out. Throws `wrong_password`, `too_many_attempts`. */
export async function changePassword(
  { db, clock, auth, throttle, sessions }: Accounts,
  caller: Principal,
  { currentPassword, newPassword }: { currentPassword: string; newPassword: string },
  request: FastifyRequest,
): Promise<void> {
  const right = await throttle.attempt(caller.userId, request.ip);
  try {
    const body = { currentPassword, newPassword };
    await auth.api.changePassword({ body, headers: authHeaders(request) });
  } catch (error) {
    if (error instanceof APIError) throw new AppError('wrong_password', { cause: error });
    throw error;
  }
  await right();
  await db.transaction().execute(async (tx) => {
    await deleteSessions(tx, caller.userId, { allBut: caller.credentialId });
    const entry = { action: 'password.changed', subjectId: caller.userId };
    await appendAudit(tx, { ...actor(caller, request.ip), ...entry }, new Date(clock.now()));
  });
  sessions.forget(caller.userId);
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
