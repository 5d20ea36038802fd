import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { errorText } from '../core/errors.ts';
import { askIssuer, authorizationUrl, type IssuerRequest } from './ask-issuer.ts';
import { shownName } from './shown-name.ts';
import type { OidcOptions, ProviderParts, SignInProvider } from './sign-in-providers.ts';

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

/** How long what the issuer says about itself is believed, in ms. */
const DISCOVERY_MS = 60 * 60_000;
/** Symmetric ones and none are left out: a signature must be the issuer's own. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

/**
 * An OpenID Connect issuer as a provider of better-auth, which keeps state, PKCE and nonce. Unlike its own generic provider it
 * goes out by our one door, and asks the issuer when it is needed, not at the start: an issuer that is down stops nothing.
 */
export function createOidcProvider(
  options: OidcOptions,
  { outbound, clock, log }: ProviderParts,
): SignInProvider {
  let known: { discovery: Discovery; until: number } | undefined;

  const ask = (request: IssuerRequest) => askIssuer(outbound, request);

  async function discover(): Promise<Discovery> {
    if (known && known.until > clock.now()) return known.discovery;
    const base = options.issuer.replace(/\/+$/, '');
    const discovery = (await ask({ url: `${base}/.well-known/openid-configuration` })) as Discovery;
    if (discovery.issuer.replace(/\/+$/, '') !== base)
      throw new Error('the issuer calls itself something else');
    known = { discovery, until: clock.now() + DISCOVERY_MS };
    return discovery;
  }

  async function verify(idToken: string): Promise<Claims> {
    const { issuer, jwks_uri: keys } = await discover();
    const { payload } = await jwtVerify<Claims>(
      idToken,
      createLocalJWKSet((await ask({ url: keys })) as JSONWebKeySet),
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
    id: options.id,
    name: options.name,
    requiresIdTokenNonce: true,
    accountSubject: ({ profile }) => String(profile['sub'] ?? ''),
    createAuthorizationURL: async ({ state, codeVerifier, redirectURI, idTokenNonce }) =>
      authorizationUrl((await discover()).authorization_endpoint, {
        codeVerifier,
        client_id: options.clientId,
        redirect_uri: redirectURI,
        scope: 'openid email profile',
        state,
        nonce: idTokenNonce,
      }),
    async validateAuthorizationCode({ code, codeVerifier, redirectURI }) {
      const { token_endpoint: endpoint } = await discover();
      const form = new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectURI,
        client_id: options.clientId,
        ...(codeVerifier === undefined ? {} : { code_verifier: codeVerifier }),
      });
      const answer = (await ask({ url: endpoint, form, headers: basic(options) })) as { id_token?: string };
      return answer.id_token === undefined ? null : { idToken: answer.id_token };
    },
    async getUserInfo({ idToken, expectedIdTokenNonce }) {
      if (idToken === undefined || expectedIdTokenNonce === undefined) return null;
      try {
        const claims = await verify(idToken);
        const { sub, email, name } = claims;
        if (claims.nonce !== expectedIdTokenNonce || email === undefined) return null;
        const emailVerified = options.trustsEmails || claims.email_verified === true;
        const user = { email, name: shownName(name, email), emailVerified };
        return { user, data: { sub } };
      } catch (error) {
        log.warn({ provider: options.id, error: errorText(error) }, 'an identity was refused');
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
