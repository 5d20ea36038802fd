import type { FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { isIntact, sha256 } from '../core/ids.ts';
import type { DB } from '../database/schema.ts';
import type { AttemptLimit } from '../http/rate-limit-attempts.ts';
import { findPrincipal, type KeyHolder } from './accounts.repository.ts';
import type { KeyUse } from './keys-use.ts';
import type { Needed, Principal } from './principal.ts';

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | undefined;
  }
  interface FastifyContextConfig {
    /** What a credential needs for this route, of several one; by the route's method when left out. */
    scope?: Needed;
  }
}

/**
 * How long a process may go on believing a credential that it has not been told to forget, in ms: also when a notice is
 * lost, a revoked one is refused everywhere within this time.
 */
const BELIEF_MS = 1000;
const MAX_REMEMBERED = 10_000;

/**
 * Resolves the caller from the request's headers and puts it on the request; at once for a key that is known, else with
 * a promise. Throws or rejects with `unauthorized`.
 */
export type Authenticate = (request: FastifyRequest) => void | Promise<void>;

interface Belief {
  principal: Principal | undefined;
  until: number;
  /** How often everything had been forgotten when the look-up began. */
  generation: number;
}

/** Finds who a request without a key belongs to, by its cookie; nobody when it has none that is valid. */
export type ResolveSession = (request: FastifyRequest) => Promise<Principal | undefined>;

/** Finds who a token of an outside issuer belongs to; nobody when it is not valid. Throws `unavailable`. */
export type VerifyToken = (token: string) => Promise<KeyHolder | undefined>;

export interface AuthenticateParts {
  db: Kysely<DB>;
  clock: Clock;
  resolveSession?: ResolveSession | undefined;
  verifyToken?: VerifyToken | undefined;
  /** Slows down who tries keys. */
  attempts?: AttemptLimit | undefined;
  /** Is told which keys are used, once in a while. */
  use?: KeyUse | undefined;
}

/** Guards by API key or outside token, else by session. Only hashes are looked up and remembered, never the key itself. */
export function createAuthenticate(parts: AuthenticateParts): Authenticate & { forget(): void } {
  const { db, clock, resolveSession, verifyToken, attempts, use } = parts;
  const beliefs = new LRUCache<string, Belief>({ max: MAX_REMEMBERED });
  let generation = 0;

  async function look(shown: Shown, hash: string): Promise<Principal | undefined> {
    const [now, begun] = [clock.now(), generation];
    const holder =
      verifyToken && shown.isToken
        ? await verifyToken(shown.text)
        : await findPrincipal(db, hash, new Date(now));
    const until = Math.min(now + BELIEF_MS, holder?.expiresAt?.getTime() ?? Infinity);
    // What was read before a change is not believed after it.
    beliefs.set(hash, { principal: holder?.principal, until, generation: begun });
    if (holder?.principal.keyId) use?.note(holder.principal.keyId);
    return holder?.principal;
  }

  function isFresh(belief: Belief): boolean {
    return belief.generation === generation && belief.until > clock.now();
  }

  async function judge(request: FastifyRequest, shown: Shown, hash: string, known?: Belief): Promise<void> {
    // What was valid a while ago is no guess: others at the same address do not lock it out.
    if (!known?.principal) await attempts?.check(request.ip);
    const principal = known && isFresh(known) ? known.principal : await look(shown, hash);
    if (!principal) {
      await attempts?.failed(request.ip);
      throw new AppError('unauthorized', { message: whyNot(shown) });
    }
    request.principal = principal;
  }

  async function bySession(request: FastifyRequest, resolve: ResolveSession): Promise<void> {
    const principal = await resolve(request);
    if (!principal) throw new AppError('unauthorized');
    request.principal = principal;
  }

  function authenticate(request: FastifyRequest): void | Promise<void> {
    const shown = credential(request);
    if (shown === undefined) {
      if (!resolveSession || request.headers.cookie === undefined) throw new AppError('unauthorized');
      return bySession(request, resolveSession);
    }
    const hash = sha256(shown.text);
    const known = beliefs.get(hash);
    if (known?.principal && isFresh(known)) {
      request.principal = known.principal;
      return;
    }
    return judge(request, shown, hash, known);
  }

  return Object.assign(authenticate, { forget: () => void (generation += 1) });
}

/** The caller of a guarded route. */
export function callerOf(request: FastifyRequest): Principal {
  if (!request.principal) throw new AppError('unauthorized');
  return request.principal;
}

interface Shown {
  text: string;
  /** It has the form of a JWT: three parts, the first one JSON in base64url. The third may be empty. */
  isToken: boolean;
}

function credential(request: FastifyRequest): Shown | undefined {
  const header = request.headers['x-api-key'];
  if (typeof header === 'string' && header !== '') return { text: header, isToken: false };
  const text = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return text === undefined ? undefined : { text, isToken: text.startsWith('eyJ') && TOKEN.test(text) };
}

const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]*$/;

function whyNot({ text, isToken }: Shown): string {
  if (isToken) return 'This token is not valid.';
  return isIntact(text, 'sk') === false
    ? 'This API key is mistyped or cut off: its checksum does not fit.'
    : 'This API key is not valid.';
}
