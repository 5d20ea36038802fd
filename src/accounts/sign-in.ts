import { APIError } from 'better-auth/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../core/errors.ts';
import { sha256 } from '../core/ids.ts';
import type { Accounts } from './accounts.ts';
import { appendAudit } from './audit.repository.ts';
import { ADDRESS_HEADER } from './auth.ts';
import { findByEmail } from './people.repository.ts';
import type { Principal } from './principal.ts';
import { deleteSessions, findSession } from './sessions.repository.ts';
import { principalOf } from './sessions.ts';
import { MAILS_ALLOWED } from './sign-up.ts';

/** The headers better-auth needs of a request, and where it came from as we know it. */
export function authHeaders(request: FastifyRequest): Headers {
  const headers = new Headers({ [ADDRESS_HEADER]: request.ip });
  for (const name of ['cookie', 'user-agent'] as const) {
    const value = request.headers[name];
    if (value !== undefined) headers.set(name, value);
  }
  return headers;
}

export function passCookies(headers: Headers, reply: FastifyReply): void {
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) void reply.header('set-cookie', cookies);
}

/**
 * Begins a session; its cookie goes with the answer. An unknown address, a wrong password and somebody
 * locked out are answered alike: `wrong_credentials`; too many of them: `too_many_attempts`.
 */
export async function signIn(
  { db, clock, auth, throttle }: Accounts,
  { email, password, remember }: { email: string; password: string; remember: boolean },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Principal> {
  const right = await throttle.attempt(email, request.ip);
  const now = () => new Date(clock.now());
  try {
    const { headers, response } = await auth.api.signInEmail({
      body: { email, password, rememberMe: remember },
      headers: authHeaders(request),
      returnHeaders: true,
    });
    await right();
    await deleteSessions(db, response.user.id, { expiredAt: now() });
    const session = await findSession(db, sha256(response.token), now());
    if (!session) throw new AppError('wrong_credentials');
    passCookies(headers, reply);
    return principalOf(session);
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    const known = await findByEmail(db, email);
    const entry = {
      actorId: null,
      address: request.ip,
      action: 'session.refused',
      subjectId: known?.id ?? null,
    };
    await appendAudit(db, entry, now());
    throw new AppError('wrong_credentials', { cause: error });
  }
}

/** Ends the session of the request's cookie, if there is one; the cookie goes in any case. */
export async function signOut(
  { auth, sessions, db, clock }: Accounts,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const caller = await sessions.resolve(request);
  const { headers } = await auth.api.signOut({ headers: authHeaders(request), returnHeaders: true });
  if (caller) {
    sessions.forget(caller.userId);
    const { userId, credentialId } = caller;
    const entry = { actorId: userId, credentialId, address: request.ip, action: 'session.ended' };
    await appendAudit(db, { ...entry, subjectId: credentialId }, new Date(clock.now()));
  }
  passCookies(headers, reply);
}

/** Mails a link with which a new password can be chosen. Says nothing about whether there is such an account. */
export async function forgotPassword(accounts: Accounts, email: string, address: string): Promise<void> {
  const { auth, throttle } = accounts;
  await throttle.ask('forgot', address, MAILS_ALLOWED);
  accounts.afterwards(async () => void (await auth.api.requestPasswordReset({ body: { email } })));
}

/** All sessions end with the old password. Throws `invalid_link`. */
export async function resetPassword(
  { auth, sessions }: Accounts,
  { token, password }: { token: string; password: string },
): Promise<void> {
  try {
    await auth.api.resetPassword({ body: { token, newPassword: password } });
  } catch (error) {
    if (error instanceof APIError) throw new AppError('invalid_link', { cause: error });
    throw error;
  }
  sessions.forget();
}
