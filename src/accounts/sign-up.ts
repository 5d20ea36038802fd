import { APIError } from 'better-auth/api';
import type { Kysely } from 'kysely';
import { AppError } from '../core/errors.ts';
import { newId, newSecret, sha256 } from '../core/ids.ts';
import type { DB } from '../database/schema.ts';
import type { Accounts, SignUpMode } from './accounts.ts';
import { actor } from './actor.ts';
import { appendAudit } from './audit.repository.ts';
import {
  deleteInvitation,
  deleteInvitationsOf,
  findInvitation,
  insertInvitation,
  isInvited,
  takeInvitation,
} from './invitations.repository.ts';
import { findByEmail, insertPerson } from './people.repository.ts';
import type { Principal } from './principal.ts';

const DAY_MS = 24 * 3600_000;
const INVITATION_DAYS = 7;
const CONFIRM_DAYS = 1;
const UNIQUE_VIOLATION = '23505';
/** Requests from one address before they have to wait: each may send a mail. */
export const MAILS_ALLOWED = 20;

export interface Registration {
  name: string;
  email: string;
  password: string;
}

/**
 * Somebody asks to become a user. Whether the address has an account shows nowhere: the answer is the same at once, and all
 * else goes by mail. Nobody is a user before they have proved the address.
 */
export async function askToSignUp(
  accounts: Accounts,
  { name, email, password }: Registration,
  address: string,
): Promise<void> {
  const { db, clock, auth, mailer, baseUrl } = accounts;
  if (accounts.signUp !== 'open') throw new AppError('sign_up_closed');
  await accounts.throttle.ask('sign-up', address, MAILS_ALLOWED);
  accounts.afterwards(async () => {
    const known = await findByEmail(db, email);
    if (known) {
      const text = `Somebody, perhaps you, tried to sign up with this address, which has an account already.
Sign in at ${baseUrl}, or ask for a new password there.`;
      return mailer.send({ to: email, subject: 'You have an account at Sora Studio', text });
    }
    const token = newSecret('join');
    const now = clock.now();
    await insertInvitation(db, {
      id: newId('inv'),
      email,
      token_hash: sha256(token),
      invited_by: null,
      name,
      password: await auth.password.hash(password),
      created_at: new Date(now),
      expires_at: new Date(now + CONFIRM_DAYS * DAY_MS),
    });
    await mailer.send({
      to: email,
      subject: 'Confirm your address for Sora Studio',
      text: 'You asked for an account. Confirm with the password you chose, within a day:',
      link: `${baseUrl}/sign-up#token=${token}`,
    });
  });
}

/**
 * An admin invites an address. Returns the link where it could not be mailed: it is shown this once.
 */
export async function invite(
  accounts: Accounts,
  caller: Principal,
  email: string,
  address: string,
): Promise<{ invitationId: string; email: string; expiresAt: string; link: string | null }> {
  const { db, clock, mailer, baseUrl } = accounts;
  if (accounts.signUp === 'closed') throw new AppError('sign_up_closed');
  if (await findByEmail(db, email)) throw new AppError('account_exists');
  const token = newSecret('join');
  const [invitationId, now] = [newId('inv'), clock.now()];
  const expiresAt = new Date(now + INVITATION_DAYS * DAY_MS);
  await db.transaction().execute(async (tx) => {
    await insertInvitation(tx, {
      id: invitationId,
      email,
      token_hash: sha256(token),
      invited_by: caller.userId,
      name: null,
      password: null,
      created_at: new Date(now),
      expires_at: expiresAt,
    });
    await appendAudit(
      tx,
      {
        ...actor({ caller, address }),
        action: 'invitation.created',
        subjectId: invitationId,
        details: { email },
      },
      new Date(now),
    );
  });
  const link = `${baseUrl}/sign-up#token=${token}`;
  if (!mailer.sends) return { invitationId, email, expiresAt: expiresAt.toISOString(), link };
  accounts.afterwards(() =>
    mailer.send({
      to: email,
      subject: 'You are invited to Sora Studio',
      text: `You may have an account. Choose a password within ${INVITATION_DAYS} days:`,
      link,
    }),
  );
  return { invitationId, email, expiresAt: expiresAt.toISOString(), link: null };
}

/** Throws `invitation_not_found`. */
export async function revokeInvitation(
  { db, clock }: Accounts,
  caller: Principal,
  id: string,
  address: string,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const email = await deleteInvitation(tx, id);
    if (email === undefined) throw new AppError('invitation_not_found');
    const entry = { action: 'invitation.revoked', subjectId: id, details: { email } };
    await appendAudit(tx, { ...actor({ caller, address }), ...entry }, new Date(clock.now()));
  });
}

/**
 * Who holds the link of an invitation becomes a user, once. Those who asked themselves show the password they chose then: a link
 * that somebody else caused to be sent is of no use to either of them. Throws `invalid_link`, `wrong_credentials`,
 * `account_exists`.
 */
export async function acceptInvitation(
  accounts: Accounts,
  { token, name, password }: { token: string; name?: string | undefined; password: string },
  address: string,
): Promise<{ email: string }> {
  const { db, clock, auth, throttle } = accounts;
  const now = new Date(clock.now());
  const invitation = await findInvitation(db, sha256(token), now);
  const admitted = invitation?.invited_by === null ? ['open'] : ['open', 'invite'];
  if (!invitation || !admitted.includes(accounts.signUp)) throw new AppError('invalid_link');
  const { email } = invitation;
  const right = await throttle.attempt(email, address);
  const named = invitation.name ?? name;
  if (named === undefined)
    throw new AppError('invalid_request', { message: 'name: is needed.', param: 'name' });
  const passwordHash = invitation.password ?? (await auth.password.hash(password));
  if (invitation.password !== null && !(await auth.password.verify({ hash: passwordHash, password })))
    throw new AppError('wrong_credentials');
  try {
    await db.transaction().execute(async (tx) => {
      if (!(await takeInvitation(tx, invitation.id))) throw new AppError('invalid_link');
      const userId = await insertPerson(tx, { name: named, email, passwordHash }, now);
      await deleteInvitationsOf(tx, email);
      const details = { invitedBy: invitation.invited_by };
      await appendAudit(
        tx,
        { actorId: userId, address, action: 'user.signed_up', subjectId: userId, details },
        now,
      );
    });
  } catch (error) {
    if ((error as { code?: unknown }).code === UNIQUE_VIOLATION) throw new AppError('account_exists');
    throw error;
  }
  await right();
  return { email };
}

/** Whether somebody whom a provider vouches for, and who is not known here, may become a user. */
export async function admitStranger(
  { db, signUp }: { db: Kysely<DB>; signUp: SignUpMode },
  { email, emailVerified }: { email: string; emailVerified: boolean },
  now: Date,
): Promise<void> {
  if (!emailVerified) throw new APIError('FORBIDDEN', { code: 'address_not_verified' });
  if (signUp === 'open' || (signUp === 'invite' && (await isInvited(db, email, now)))) return;
  throw new APIError('FORBIDDEN', { code: 'sign_up_closed' });
}

export async function welcomeStranger(
  db: Kysely<DB>,
  { id, email }: { id: string; email: string },
  via: string,
  now: Date,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await deleteInvitationsOf(tx, email);
    const details = { via };
    await appendAudit(tx, { actorId: id, action: 'user.signed_up', subjectId: id, details }, now);
  });
}
