import { errorText } from '../core/errors.ts';
import { askIssuer, authorizationUrl } from './ask-issuer.ts';
import { shownName } from './shown-name.ts';
import type { GithubOptions, ProviderParts, SignInProvider } from './sign-in-providers.ts';

interface User {
  id: number;
  login: string;
  name: string | null;
}

interface Address {
  email: string;
  primary: boolean;
  verified: boolean;
}

const PUBLIC_URL = 'https://github.com';

/**
 * GitHub as a provider of better-auth: it signs no tokens, so who somebody is, and which addresses are theirs, is asked with the
 * token that came for the code.
 * https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
 */
export function createGithubProvider(
  options: GithubOptions,
  { outbound, log }: Pick<ProviderParts, 'outbound' | 'log'>,
): SignInProvider {
  const { id, name, clientId, clientSecret } = options;
  const base = options.url.replace(/\/+$/, '');
  const api = base === PUBLIC_URL ? 'https://api.github.com' : `${base}/api/v3`;

  return {
    id,
    name,
    accountSubject: ({ profile }) => String(profile['id'] ?? ''),
    createAuthorizationURL: ({ state, codeVerifier, redirectURI }) =>
      authorizationUrl(`${base}/login/oauth/authorize`, {
        codeVerifier,
        client_id: clientId,
        redirect_uri: redirectURI,
        scope: 'read:user user:email',
        state,
      }),
    async validateAuthorizationCode({ code, codeVerifier, redirectURI }) {
      const form = new URLSearchParams({
        client_id: clientId,
        client_secret: clientSecret.reveal(),
        code,
        redirect_uri: redirectURI,
        ...(codeVerifier === undefined ? {} : { code_verifier: codeVerifier }),
      });
      // A refusal comes with status 200 and no token.
      const answer = (await askIssuer(outbound, { url: `${base}/login/oauth/access_token`, form })) as {
        access_token?: string;
      };
      return answer.access_token === undefined ? null : { accessToken: answer.access_token };
    },
    async getUserInfo({ accessToken }) {
      if (accessToken === undefined) return null;
      const headers = { authorization: `Bearer ${accessToken}`, 'user-agent': 'Sora-Studio' };
      try {
        const user = (await askIssuer(outbound, { url: `${api}/user`, headers })) as User;
        const addresses = (await askIssuer(outbound, { url: `${api}/user/emails`, headers })) as Address[];
        const address = addresses.find(({ primary }) => primary);
        if (!address || typeof user.id !== 'number') return null;
        const { email } = address;
        const emailVerified = address.verified === true;
        return {
          user: { email, name: shownName(user.name, user.login), emailVerified },
          data: { id: user.id },
        };
      } catch (error) {
        log.warn({ provider: id, error: errorText(error) }, 'an identity could not be read');
        return null;
      }
    },
    options: {},
  };
}
