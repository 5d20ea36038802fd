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
  scopes: ReadonlySet<Scope>;
  /** What was shown: an API key's id, or a session's or token's. Limits and retries are counted by it. */
  credentialId: string;
  /** The API key used; null for sessions and outside tokens. */
  keyId: string | null;
  /** The only models it may ask for, by the names requests use; null: every one. */
  models: readonly string[] | null;
}

/** Throws `forbidden` unless the caller may do what needs the scope. */
export function requireScope({ scopes, role }: Principal, scope: Scope): void {
  if (scopes.has(scope) && (scope !== 'admin' || role === 'admin')) return;
  throw new AppError('forbidden', {
    message: scopes.has(scope)
      ? 'Only administrators may do that.'
      : `This credential lacks the scope "${scope}".`,
    details: { needed: scope },
  });
}

/** What every key could do before keys had scopes, and what sessions can. */
export const ALL_SCOPES: ReadonlySet<Scope> = new Set(SCOPES);
