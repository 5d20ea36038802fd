import type { OAuthProvider } from 'better-auth/oauth2';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Outbound } from '../core/outbound.ts';
import type { Secret } from '../core/secret.ts';
import { createGithubProvider } from './github.ts';
import { createOidcProvider } from './oidc.ts';

interface Client {
  /** In addresses and in the table of accounts: never changed once somebody has signed in with it. */
  id: string;
  /** What people know it as. */
  name: string;
  clientId: string;
}

/** An OpenID Connect issuer. */
export interface OidcOptions extends Client {
  kind: 'oidc';
  issuer: string;
  clientSecret: Secret | undefined;
  /** Believes every address it names, also where it does not say that it has verified it. */
  trustsEmails: boolean;
}

/** GitHub, or a GitHub Enterprise Server: OAuth 2 without OpenID Connect. */
export interface GithubOptions extends Client {
  kind: 'github';
  url: string;
  clientSecret: Secret;
}

export type SignInProviderOptions = OidcOptions | GithubOptions;

export interface ProviderParts {
  outbound: Outbound;
  clock: Clock;
  log: Log;
}

/** A provider of better-auth, which keeps state, PKCE and nonce. */
export type SignInProvider = OAuthProvider<Record<string, unknown>>;

export function createSignInProvider(options: SignInProviderOptions, parts: ProviderParts): SignInProvider {
  return options.kind === 'oidc' ? createOidcProvider(options, parts) : createGithubProvider(options, parts);
}
