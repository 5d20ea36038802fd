import { createHmac, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import { sha256 } from '../core/ids.ts';
import type { Secret } from '../core/secret.ts';
import type { DB } from '../database/schema.ts';
import type { ResolveSession } from './authenticate.ts';
import { requireOwnOrigin } from './csrf.ts';
import { ALL_SCOPES, type Principal } from './principal.ts';
import { findSession, type SessionFacts } from './sessions.repository.ts';

/** How long a process may go on believing a session, in ms; a notification ends that at once. */
const BELIEF_MS = 1000;
const MAX_REMEMBERED = 10_000;

export interface Sessions {
  /** Who a request's cookie belongs to. Throws `foreign_origin` when another site made the browser ask. */
  resolve: ResolveSession;
  /** What is believed of a person's sessions, or of all, is looked up again: after every change, before it is answered. */
  forget(userId?: string): void;
}

interface Belief {
  principal: Principal | undefined;
  until: number;
}

export function createSessions({
  db,
  clock,
  cookieName,
  secret,
  publicUrl,
}: {
  db: Kysely<DB>;
  clock: Clock;
  cookieName: string;
  secret: Secret;
  publicUrl: string | undefined;
}): Sessions {
  const beliefs = new LRUCache<string, Belief>({ max: MAX_REMEMBERED });
  /** Counts what was forgotten: a look that began before must not be remembered. */
  let generation = 0;

  async function look(signed: string, name: string): Promise<Principal | undefined> {
    const token = verifySigned(signed, secret);
    if (token === undefined) return undefined;
    const [began, now] = [generation, clock.now()];
    const found = await findSession(db, sha256(token), new Date(now));
    const principal = found && principalOf(found);
    // Nobody's cookies are not remembered: they are many, and each would push out somebody's.
    if (principal && began === generation) beliefs.set(name, { principal, until: now + BELIEF_MS });
    return principal;
  }

  return {
    async resolve(request) {
      const signed = cookieOf(request, cookieName);
      if (signed === undefined) return undefined;
      const name = sha256(signed);
      const known = beliefs.get(name);
      const principal = known && known.until > clock.now() ? known.principal : await look(signed, name);
      if (principal) requireOwnOrigin(request, publicUrl);
      return principal;
    },
    forget(userId) {
      generation += 1;
      for (const [name, { principal }] of beliefs.entries())
        if (userId === undefined || principal?.userId === userId) beliefs.delete(name);
    },
  };
}

export function principalOf({ id, userId, teamId, role }: SessionFacts): Principal {
  const ownerId = teamId ?? userId;
  return { userId, ownerId, role, scopes: ALL_SCOPES, credentialId: id, keyId: null, models: null };
}

function cookieOf({ headers }: Pick<FastifyRequest, 'headers'>, name: string): string | undefined {
  for (const part of (headers.cookie ?? '').split(';')) {
    const [key, value] = part.split(/=(.*)/s, 2);
    if (key?.trim() === name && value) return value.trim();
  }
  return undefined;
}

/** The token of a signed cookie, `token.signature`; undefined when the signature is not ours. */
function verifySigned(signed: string, secret: Secret): string | undefined {
  let text: string;
  try {
    text = decodeURIComponent(signed);
  } catch {
    return undefined;
  }
  const dot = text.lastIndexOf('.');
  if (dot < 1) return undefined;
  const token = text.slice(0, dot);
  // As texts: what stands for the same bytes is not all the same cookie.
  const given = Buffer.from(text.slice(dot + 1));
  const right = Buffer.from(createHmac('sha256', secret.reveal()).update(token).digest('base64'));
  return given.length === right.length && timingSafeEqual(given, right) ? token : undefined;
}
