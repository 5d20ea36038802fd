import { AppError } from '../core/errors.ts';
import type { Micros } from '../core/money.ts';
import type { KeyLimits, KeyRow, Reach } from './keys.repository.ts';
import { powerOf, type Principal, type Scope } from './principal.ts';

/** What a new key is to be; what is left out is the caller's own. */
export interface KeyWish {
  name?: string | undefined;
  scopes?: readonly Scope[] | undefined;
  models?: readonly string[] | null | undefined;
  spendCapMicros?: Micros | null | undefined;
  expiresAt?: Date | null | undefined;
  teamId?: string | undefined;
}

/** The rights of a key, all of them said. */
interface Rights {
  name: string;
  scopes: readonly string[];
  models: readonly string[] | null;
  spendCapMicros: Micros | null;
  expiresAt: Date | null;
}

/** All that a caller has, which is the most that a key of theirs may have. */
export interface Means {
  caller: Principal;
  scopes: readonly Scope[];
  models: readonly string[] | null;
  spendCapMicros: Micros | null;
  expiresAt: Date | null;
  hasQuota: boolean;
}

export function meansOf(caller: Principal, limits: KeyLimits | undefined): Means {
  return {
    caller,
    scopes: powerOf(caller),
    models: caller.models,
    spendCapMicros: limits?.spend_cap_micros ?? null,
    expiresAt: limits?.expires_at ?? null,
    hasQuota: limits?.has_quota ?? false,
  };
}

/** A person sees all their keys; a key of a team sees those for that team alone. */
export function reachOf({ caller, scopes, models, spendCapMicros }: Means): Reach {
  const { userId, ownerId, role } = caller;
  return {
    userId,
    ownerId: ownerId === userId ? null : ownerId,
    scopes,
    ignoresAdmin: role !== 'admin',
    models,
    spendCapMicros,
  };
}

/** What keys may do when nobody says what. */
const USUAL: readonly Scope[] = ['videos:read', 'videos:write'];

export function effectiveWish(mine: Means, wish: KeyWish): Rights {
  return {
    name: wish.name ?? 'API key',
    scopes: wish.scopes ?? USUAL.filter((scope) => mine.scopes.includes(scope)),
    models: wish.models === undefined ? mine.models : wish.models,
    spendCapMicros: wish.spendCapMicros ?? null,
    expiresAt: wish.expiresAt === undefined ? mine.expiresAt : wish.expiresAt,
  };
}

/**
 * Throws `forbidden` when a key would be able to do what the caller is not, `invalid_request` when it ends in the past.
 * `key` is the one that is being changed: what stays as it is needs no leave.
 */
export function checkWish(mine: Means, wish: Rights, now: number, key?: KeyRow): void {
  const extra = wish.scopes.filter((scope) => !(mine.scopes as readonly string[]).includes(scope));
  if (!key && (extra.length > 0 || wish.scopes.length === 0)) {
    throw refusal('scopes', `You have not got ${extra.join(', ') || 'any scope to give'}.`, {
      scopes: [...mine.scopes],
    });
  }
  if (mine.models !== null && !(wish.models ?? ['*']).every((model) => mine.models?.includes(model))) {
    throw refusal('models', 'Your own key is not for all of these models.', { models: [...mine.models] });
  }
  const before = key?.expires_at?.getTime() ?? Infinity;
  const expiry = wish.expiresAt?.getTime() ?? Infinity;
  if (expiry <= now) {
    throw new AppError('invalid_request', { message: 'expiresAt is not in the future.', param: 'expiresAt' });
  }
  if (expiry > (mine.expiresAt?.getTime() ?? Infinity) && !(key && expiry === before)) {
    throw refusal('expiresAt', 'It would be valid for longer than your own key.', {
      expiresAt: mine.expiresAt?.toISOString(),
    });
  }
  if (mine.spendCapMicros !== null) checkCap(wish, key);
  // For the same reason.
  if (mine.hasQuota && !key)
    throw refusal(undefined, 'A key with a quota makes no keys, only replaces itself.', {});
}

/** A key with a cap could spend without one through keys it makes: each of them would count for itself. */
function checkCap(wish: Rights, key: KeyRow | undefined): void {
  if (!key) throw refusal('spendCapUsd', 'A key with a spend cap makes no keys, only replaces them.', {});
  const before = key.spend_cap_micros ?? Infinity;
  if ((wish.spendCapMicros ?? Infinity) > before) {
    throw refusal('spendCapUsd', 'A key with a spend cap lowers caps, and raises none.', {});
  }
}

/**
 * Throws `forbidden` when the key that takes another's place would let the caller do what they cannot: its secret is
 * theirs then. A key may always be replaced by itself.
 */
export function checkRotation({ caller, expiresAt, spendCapMicros, hasQuota }: Means, key: KeyRow): void {
  if (key.id === caller.keyId) return;
  if ((key.expires_at?.getTime() ?? Infinity) > (expiresAt?.getTime() ?? Infinity)) {
    throw refusal('expiresAt', 'The new one would be valid for longer than your own key.', {
      expiresAt: expiresAt?.toISOString(),
    });
  }
  if (hasQuota) throw refusal(undefined, 'A key with a quota replaces itself, and no other.', {});
  if (spendCapMicros !== null)
    throw refusal(
      'spendCapUsd',
      'A key with a spend cap replaces itself, and no other: they would add up.',
      {},
    );
}

function refusal(param: string | undefined, why: string, allowed: object): AppError {
  return new AppError('forbidden', {
    message: `A key may not do more than the one it is made with. ${why}`,
    details: { allowed },
    ...(param === undefined ? {} : { param }),
  });
}
