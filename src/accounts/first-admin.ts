import type { FastifyRequest } from 'fastify';
import ipaddr from 'ipaddr.js';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { newSecret } from '../core/ids.ts';
import type { Db } from '../database/open.ts';
import type { Accounts } from './accounts.ts';
import { appendAudit } from './audit.repository.ts';
import {
  claimFirstAdmin,
  insertFirstAdminToken,
  isFirstAdminToken,
  needsFirstAdmin,
} from './people.repository.ts';
import type { Registration } from './sign-up.ts';

const TOKEN_DAYS = 7;
const TOKENS_ALLOWED = 10;

/** A token with which the first admin can be made from elsewhere; none when there is one. Only its hash is kept. */
export async function offerFirstAdmin({ db, clock }: { db: Db; clock: Clock }): Promise<string | undefined> {
  if (!(await needsFirstAdmin(db))) return undefined;
  const token = newSecret('admin');
  const now = clock.now();
  await insertFirstAdminToken(db, token, new Date(now), new Date(now + TOKEN_DAYS * 24 * 3600_000));
  return token;
}

/**
 * The first visitor becomes the admin: the user of the admin key, whose videos are theirs from then on. Throws
 * `first_admin_token_required`, `first_admin_exists`.
 */
export async function createFirstAdmin(
  { db, clock, auth, throttle }: Accounts,
  { token, ...person }: Registration & { token?: string | undefined },
  request: FastifyRequest,
): Promise<void> {
  const now = new Date(clock.now());
  if (!(await needsFirstAdmin(db))) throw new AppError('first_admin_exists');
  if (!isLocal(request)) {
    await throttle.ask('first-admin', request.ip, TOKENS_ALLOWED);
    if (token === undefined || !(await isFirstAdminToken(db, token, now)))
      throw new AppError('first_admin_token_required');
  }
  const passwordHash = await auth.password.hash(person.password);
  await db.transaction().execute(async (tx) => {
    const userId = await claimFirstAdmin(tx, { ...person, passwordHash }, now);
    if (userId === undefined) throw new AppError('first_admin_exists');
    const entry = { actorId: userId, address: request.ip, action: 'user.first_admin', subjectId: userId };
    await appendAudit(tx, entry, now);
  });
}

/** What proxies add: then the connection's own address says nothing about who is asking. */
const PROXIED = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via', 'x-forwarded-host', 'x-forwarded-proto'];

/**
 * Whether somebody at this very machine asks. The host must be a local name too: else a page of another site, whose name was
 * made to point here, would be at this machine as well.
 */
export function isLocal({ socket, headers }: Pick<FastifyRequest, 'socket' | 'headers'>): boolean {
  if (PROXIED.some((name) => headers[name] !== undefined)) return false;
  if (socket.remoteAddress === undefined || !isLoopback(socket.remoteAddress)) return false;
  const host = `http://${headers.host ?? ''}`;
  if (!URL.canParse(host)) return false;
  const name = new URL(host).hostname.replace(/^\[|\]$/g, '');
  return name === 'localhost' || isLoopback(name);
}

function isLoopback(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback';
}
