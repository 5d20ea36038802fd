import { APIError } from 'better-auth/api';
import { Type } from 'typebox';
import { AppError } from '../core/errors.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import type { Accounts } from './accounts.ts';
import { ProviderBody, ProviderSchema } from './auth.schemas.ts';
import { authHeaders, passCookies } from './sign-in.ts';

/** `/api/v1/auth`: signing in with somebody else's account. Register it beside the other routes of signing in. */
export function registerProviderRoutes(server: Server, { accounts }: { accounts: Accounts }): void {
  const common = { tags: ['Accounts'] };
  const { auth, providers, baseUrl, throttle } = accounts;

  function checkProvider(id: string): void {
    if (!providers.some((provider) => provider.id === id)) throw new AppError('sign_in_provider_not_found');
  }

  server.get(
    '/providers',
    {
      schema: {
        ...common,
        operationId: 'listSignInProviders',
        summary: 'How one can sign in here',
        response: { 200: Success(Type.Array(ProviderSchema)), ...failures([]) },
      },
    },
    () => {
      const data = [
        { provider: 'password', name: 'Password', kind: 'password' as const },
        ...providers.map(({ id, name, kind }) => ({ provider: id, name, kind })),
      ];
      return { success: true as const, data };
    },
  );

  server.post(
    '/sign-in/provider',
    {
      schema: {
        ...common,
        operationId: 'signInWithProvider',
        summary: 'Begin to sign in with a provider',
        description:
          'Send the browser to `url`. It comes back signed in, to `returnTo`; or with `?error=CODE` when it was refused.',
        body: ProviderBody,
        response: { 200: Success(Type.Object({ url: Type.String() })), ...failures([400, 403, 404, 503]) },
      },
    },
    async (request, reply) => {
      const { provider, returnTo = '/' } = request.body;
      checkProvider(provider);
      await throttle.ask('provider', request.ip, SIGN_INS_ALLOWED);
      const target = `${baseUrl}${returnTo}`;
      try {
        const { headers, response } = await auth.api.signInSocial({
          body: { provider, callbackURL: target, errorCallbackURL: target, disableRedirect: true },
          headers: authHeaders(request),
          returnHeaders: true,
        });
        passCookies(headers, reply);
        return { success: true as const, data: { url: response.url ?? '' } };
      } catch (error) {
        if (error instanceof APIError) throw error;
        throw new AppError('unavailable', {
          message: 'That provider cannot be reached right now.',
          cause: error,
        });
      }
    },
  );

  server.get(
    '/callback/:provider',
    {
      schema: {
        ...common,
        operationId: 'signInCallback',
        summary: 'Where a provider sends the browser back to',
        params: Type.Object({ provider: Type.String() }),
        querystring: Type.Object({}, { additionalProperties: true }),
        response: { 302: Type.Null({ description: 'Signed in, or `?error=CODE`.' }), ...failures([404]) },
      },
    },
    async (request, reply) => {
      const { provider } = request.params;
      checkProvider(provider);
      const response = await auth.api.callbackOAuth({
        method: 'GET',
        params: { id: provider },
        query: onlyTexts(request.query),
        headers: authHeaders(request),
        asResponse: true,
      });
      passCookies(response.headers, reply);
      return reply.redirect(ownLocation(response.headers.get('location'), baseUrl));
    },
  );
}

/** The provider's side is asked for each: more than anybody needs in a quarter of an hour. */
const SIGN_INS_ALLOWED = 100;

function onlyTexts(query: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** Back to this server only, whatever was written down when it began. better-auth's own error page is not among ours. */
function ownLocation(location: string | null, baseUrl: string): string {
  const base = new URL(baseUrl);
  const url = location !== null && URL.canParse(location, base.href) ? new URL(location, base) : base;
  if (url.origin !== base.origin) return baseUrl;
  if (url.pathname.endsWith('/api/v1/auth/error')) return `${baseUrl}/${url.search}`;
  return url.href;
}
