import type { FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { sha256 } from '../core/ids.ts';
import type { DB } from '../database/schema.ts';
import { findPrincipal } from './accounts.repository.ts';
import type { Principal, Scope } from './principal.ts';

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | undefined;
  }
  interface FastifyContextConfig {
    /** What a credential needs for this route; by its method when left out. */
    scope?: Scope;
  }
}

/** How long a process may go on believing a key, in ms: a revoked one is refused everywhere within this time. */
const BELIEF_MS = 1000;
const MAX_REMEMBERED = 10_000;

/**
 * Resolves the caller from the request's headers and puts it on the request; at once for a key that is known, else with
 * a promise. Throws or rejects with `unauthorized`.
 */
export type Authenticate = (request: FastifyRequest) => void | Promise<void>;

/** The hook that stands before every guarded route. */
export type Guard = onRequestHookHandler;

interface Belief {
  principal: Principal | undefined;
  until: number;
}

/** Finds who a request without a key belongs to, by its cookie; nobody when it has none that is valid. */
export type ResolveSession = (request: FastifyRequest) => Promise<Principal | undefined>;

/** Guards by API key, else by session. Only hashes are looked up and remembered, never the key itself. */
export function createAuthenticate({
  db,
  clock,
  resolveSession,
}: {
  db: Kysely<DB>;
  clock: Clock;
  resolveSession?: ResolveSession;
}): Authenticate {
  const beliefs = new LRUCache<string, Belief>({ max: MAX_REMEMBERED });

  async function look(hash: string): Promise<Principal | undefined> {
    const now = clock.now();
    const principal = await findPrincipal(db, hash, new Date(now));
    beliefs.set(hash, { principal, until: now + BELIEF_MS });
    return principal;
  }

  return (request) => {
    const key = credential(request);
    if (key === undefined) {
      if (!resolveSession || request.headers.cookie === undefined) throw new AppError('unauthorized');
      return resolveSession(request).then((principal) => admit(request, principal, 'session'));
    }
    const hash = sha256(key);
    const known = beliefs.get(hash);
    if (known && known.until > clock.now()) return admit(request, known.principal);
    return look(hash).then((principal) => admit(request, principal));
  };
}

function admit(
  request: FastifyRequest,
  principal: Principal | undefined,
  by: 'key' | 'session' = 'key',
): void {
  if (!principal)
    throw new AppError('unauthorized', by === 'key' ? { message: 'This API key is not valid.' } : {});
  request.principal = principal;
}

/** The caller of a guarded route. */
export function callerOf(request: FastifyRequest): Principal {
  if (!request.principal) throw new AppError('unauthorized');
  return request.principal;
}

function credential(request: FastifyRequest): string | undefined {
  const header = request.headers['x-api-key'];
  if (typeof header === 'string' && header !== '') return header;
  return /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
}
