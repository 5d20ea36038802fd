import { AppError } from '../core/errors.ts';

/** What a credential may do. `admin` counts only for those whose role it is. */
export const SCOPES = ['videos:read', 'videos:write', 'keys', 'webhooks', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Who is calling: one shape for every kind of credential. */
export interface Principal {
  /** The person. */
  userId: string;
  /** Whose library and budget this is about: the person's own, or a team's. */
  ownerId: string;
  role: 'user' | 'admin';
  /** The role is what the shown token says; here they may be no admin. */
  isAdminByToken?: boolean | undefined;
  scopes: ReadonlySet<Scope>;
  /** What was shown: an API key's id, or a session's or token's. Limits and retries are counted by it. */
  credentialId: string;
  /** The API key used; null for sessions and outside tokens. */
  keyId: string | null;
  /** The only models it may ask for, by the names requests use; null: every one. */
  models: readonly string[] | null;
}

/** What a route can ask for: a scope (of several, one is enough), or a signed-in person, because it is no program's business. */
export type Needed = Scope | readonly Scope[] | 'session';

/** Throws `session_required` or `forbidden` unless the caller may do what needs this. */
export function requireNeeded(caller: Principal, needed: Needed): void {
  if (needed !== 'session') return requireScope(caller, needed);
  if (!caller.credentialId.startsWith('session_')) throw new AppError('session_required');
}

/** What a caller's scopes come to: `admin` is nothing to those whose role it is not. */
export function powerOf({ scopes, role }: Pick<Principal, 'scopes' | 'role'>): Scope[] {
  return [...scopes].filter((scope) => scope !== 'admin' || role === 'admin');
}

/** Throws `forbidden` unless the caller may do what needs the scope; of several, one is enough. */
export function requireScope(caller: Principal, needed: Scope | readonly Scope[]): void {
  const { scopes, role } = caller;
  if (typeof needed === 'string') {
    if (scopes.has(needed) && (needed !== 'admin' || role === 'admin')) return;
  } else {
    const power = powerOf(caller);
    if (needed.some((scope) => power.includes(scope))) return;
  }
  const [first] = typeof needed === 'string' ? [needed] : needed;
  const isRole = first === 'admin' && scopes.has('admin');
  throw new AppError('forbidden', {
    message: isRole ? 'Only administrators may do that.' : `This credential lacks the scope "${first}".`,
    details: { needed: first },
  });
}

/**
 * Throws `model_not_allowed` unless the caller may ask for a model. One name is enough: that of the request, the alias it
 * went by, or the model's own.
 */
export function requireModel({ models }: Principal, names: readonly (string | undefined)[]): void {
  if (models === null || mayAsk(models, names)) return;
  const shown = names.find((name) => name !== undefined) ?? 'the default model';
  throw new AppError('model_not_allowed', {
    message: `This API key may not ask for the model "${shown}", only for: ${models.join(', ')}.`,
    details: { models: [...models] },
    param: 'model',
  });
}

/** Whether one of a model's names is on a list of allowed ones; null allows all. */
export function mayAsk(models: readonly string[] | null, names: readonly (string | undefined)[]): boolean {
  return models === null || names.some((name) => name !== undefined && models.includes(name));
}

/** What every key could do before keys had scopes, and what sessions can. */
export const ALL_SCOPES: ReadonlySet<Scope> = new Set(SCOPES);
