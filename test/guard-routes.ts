import type { Scope } from '../src/accounts/principal.ts';

export interface Route {
  method: string;
  url: string;
}

/** What anybody may ask without a credential. Short on purpose: whatever is added here is open to the world. */
const PUBLIC: readonly (string | RegExp)[] = [
  '/',
  '/health',
  '/ready',
  '/metrics',
  '/openapi.json',
  /^\/docs(\/|$)/,
  // Signing in and up: whoever asks has no credential yet.
  /^\/api\/v1\/auth\/(session|first-admin|sign-up(\/accept)?|sign-in(\/provider)?|sign-out|providers|callback\/:provider)$/,
  /^\/api\/v1\/auth\/password\/(forgot|reset)$/,
];

export function isPublic({ method, url }: Route): boolean {
  // What browsers ask before they ask (CORS).
  if (method === 'OPTIONS') return true;
  return PUBLIC.some((open) => (typeof open === 'string' ? open === url : open.test(url)));
}

/** What a credential needs: one of the scopes, or to be a session. The first rule that fits a route is the one. */
const RULES: readonly [RegExp, readonly (Scope | 'session')[]][] = [
  // What concerns people and not their programs: no key opens it.
  [/^\w+ \/api\/v1\/auth\/(sessions|password\/change|switch)(\/|$)/, ['session']],
  [/^\w+ \/api\/v1\/auth\/invitations(\/|$)/, ['admin']],
  [/^(GET|HEAD) \/api\/v1\/(teams|team-invitations)(\/|$)/, ['videos:read']],
  [/^\w+ \/api\/v1\/(teams|team-invitations)(\/|$)/, ['session']],
  [/^\w+ \/api\/v1\/admin\//, ['admin']],
  [/^\w+ \/api\/v1\/keys(\/|$)/, ['keys', 'admin']],
  [/^POST \/api\/v1\/(estimate|videos\/zip)$/, ['videos:read']],
  [
    /^(GET|HEAD) \/api\/v1\/(videos|batches|collections|assets|models|export|quota|usage)(\/|$)/,
    ['videos:read'],
  ],
  [/^(POST|PATCH|DELETE) \/api\/v1\/(videos|batches|collections|assets|import)(\/|$)/, ['videos:write']],
  [/^(GET|HEAD) \/v1\/(videos|models)(\/|$)/, ['videos:read']],
  [/^(POST|DELETE) \/v1\/videos(\/|$)/, ['videos:write']],
];

/** Throws for a route that no rule knows: say here what it needs, and the tests see to it. */
export function neededFor({ method, url }: Route): readonly (Scope | 'session')[] {
  const rule = RULES.find(([pattern]) => pattern.test(`${method} ${url}`));
  if (!rule) throw new Error(`${method} ${url} has no rule: add one, or a public prefix, to guard-routes.ts`);
  return rule[1];
}

/** A body with which the route would do its work, so that nothing but the guard or the owner is in the way. */
export function bodyFor({ method, url }: Route): object | undefined {
  if (method === 'PATCH') return { name: 'taken over' };
  if (/\/(remix|edit|extend)$/.test(url)) return { prompt: 'taken over' };
  if (url.endsWith('/decision')) return { decision: 'fail' };
  return undefined;
}
