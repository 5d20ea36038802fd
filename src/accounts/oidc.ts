import type { OAuthProvider } from 'better-auth/oauth2';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Outbound } from '../core/outbound.ts';
import type { Secret } from '../core/secret.ts';

/** The one issuer's name in addresses and in the table of accounts. */
export const OIDC_PROVIDER = 'oidc';

export interface OidcOptions {
  issuer: string;
  clientId: string;
  clientSecret: Secret | undefined;
  /** What people know it as. */
  name: string;
}

interface Discovery {
  issuer: string;
  authorization_endpoint: string;
  token_endpoint: string;
  jwks_uri: string;
}

interface Claims {
  sub: string;
  email?: string;
  email_verified?: boolean;
  name?: string;
  nonce?: string;
}

const TIMEOUT_MS = 10_000;
/** How long what the issuer says about itself is believed, in ms. */
const DISCOVERY_MS = 60 * 60_000;
const MAX_ANSWER_BYTES = 1_000_000;
/** Symmetric ones and none are left out: a signature must be the issuer's own. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

/**
 * An OpenID Connect issuer as a provider of better-auth, which keeps state, PKCE and nonce. Unlike its own generic provider it
 * goes out by our one door, and asks the issuer when it is needed, not at the start: an issuer that is down stops nothing.
 */
export function createOidcProvider(
  options: OidcOptions,
  { outbound, clock, log }: { outbound: Outbound; clock: Clock; log: Log },
): OAuthProvider<Record<string, unknown>> {
  let known: { discovery: Discovery; until: number } | undefined;

  async function call(url: string, form?: URLSearchParams, headers: Record<string, string> = {}) {
    const response = await outbound(url, {
      trust: 'configured',
      timeoutMs: TIMEOUT_MS,
      method: form ? 'POST' : 'GET',
      headers: {
        accept: 'application/json',
        ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
        ...headers,
      },
      ...(form ? { body: form.toString() } : {}),
    });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) throw new Error('the issuer answered with too much');
      chunks.push(chunk);
    }
    if (response.status !== 200) throw new Error(`the issuer answered ${response.status}`);
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  }

  async function discover(): Promise<Discovery> {
    if (known && known.until > clock.now()) return known.discovery;
    const base = options.issuer.replace(/\/+$/, '');
    const discovery = (await call(`${base}/.well-known/openid-configuration`)) as Discovery;
    if (discovery.issuer.replace(/\/+$/, '') !== base)
      throw new Error('the issuer calls itself something else');
    known = { discovery, until: clock.now() + DISCOVERY_MS };
    return discovery;
  }

  async function verify(idToken: string): Promise<Claims> {
    const { issuer, jwks_uri: keys } = await discover();
    const { payload } = await jwtVerify<Claims>(
      idToken,
      createLocalJWKSet((await call(keys)) as JSONWebKeySet),
      {
        issuer,
        audience: options.clientId,
        algorithms: ALGORITHMS,
        clockTolerance: 30,
        requiredClaims: ['exp', 'sub'],
      },
    );
    return payload;
  }

  return {
    id: OIDC_PROVIDER,
    name: options.name,
    requiresIdTokenNonce: true,
    accountSubject: ({ profile }) => String(profile['sub'] ?? ''),
    async createAuthorizationURL({ state, codeVerifier, redirectURI, idTokenNonce }) {
      const url = new URL((await discover()).authorization_endpoint);
      const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(codeVerifier));
      const query = {
        response_type: 'code',
        client_id: options.clientId,
        redirect_uri: redirectURI,
        scope: 'openid email profile',
        state,
        code_challenge: Buffer.from(digest).toString('base64url'),
        code_challenge_method: 'S256',
        ...(idTokenNonce === undefined ? {} : { nonce: idTokenNonce }),
      };
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
      return url;
    },
    async validateAuthorizationCode({ code, codeVerifier, redirectURI }) {
      const { token_endpoint: endpoint } = await discover();
      const form = new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectURI,
        client_id: options.clientId,
        ...(codeVerifier === undefined ? {} : { code_verifier: codeVerifier }),
      });
      const answer = (await call(endpoint, form, basic(options))) as { id_token?: string };
      return answer.id_token === undefined ? null : { idToken: answer.id_token };
    },
    async getUserInfo({ idToken, expectedIdTokenNonce }) {
      if (idToken === undefined || expectedIdTokenNonce === undefined) return null;
      try {
        const claims = await verify(idToken);
        const { sub, email, name } = claims;
        if (claims.nonce !== expectedIdTokenNonce || email === undefined) return null;
        const user = { email, name: name ?? email, emailVerified: claims.email_verified === true };
        return { user, data: { sub } };
      } catch (error) {
        log.warn({ error: errorText(error) }, 'an identity of the OIDC issuer was refused');
        return null;
      }
    },
    options: {},
  };
}

function basic({ clientId, clientSecret }: OidcOptions): Record<string, string> {
  if (!clientSecret) return {};
  const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret.reveal())}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}
