import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { Server } from './server.ts';

export interface OpenApiOptions {
  version: string;
  publicUrl: string | undefined;
}

const DESCRIPTION = `Self-hosted video generation over any video model.

The **native API** (\`/api/v1\`) speaks camelCase JSON in the envelope \`{ success, data }\`. The **OpenAI-compatible API**
(\`/v1\`) speaks the wire format of OpenAI's Videos API: point an \`openai\` client at this server and keep your code.

Send your API key as \`Authorization: Bearer KEY\` or as \`x-api-key: KEY\`, a token of the configured issuer as
\`Authorization: Bearer TOKEN\`. Answers say in \`RateLimit-*\` and \`x-ratelimit-*\` how many requests are left.`;

/** Collects the document while routes register; so register this before them. */
export async function collectOpenApi(server: Server, options: OpenApiOptions): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Sora Studio', version: options.version, description: DESCRIPTION },
      servers: [{ url: options.publicUrl ?? '/' }],
      tags: [
        { name: 'Videos', description: 'Create videos and follow them to the file.' },
        { name: 'Library', description: 'Keep, sort, take along and throw away what you have.' },
        { name: 'Batches', description: 'Many videos at once.' },
        { name: 'Assets', description: 'Reference images that videos start from.' },
        { name: 'Keys', description: 'API keys of your own.' },
        { name: 'Models', description: 'What can be asked for.' },
        { name: 'OpenAI', description: "The wire format of OpenAI's Videos API." },
        { name: 'Accounts', description: 'Sign up, sign in, sessions and invitations.' },
        { name: 'Teams', description: 'People who share a library.' },
        { name: 'Administration', description: 'For operators, with an admin key.' },
        { name: 'Operations', description: 'Running the server.' },
      ],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'Your API key, or a token.' },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: 'sora.session_token',
            description: 'Set by signing in; `__Secure-sora.session_token` where PUBLIC_URL is https.',
          },
          apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'Your API key.' },
        },
      },
    },
  });
}

/** Swagger UI at `/docs`, the document itself at `/openapi.json`. */
export async function serveOpenApi(server: Server): Promise<void> {
  await server.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { persistAuthorization: true },
    theme: {
      title: 'Sora Studio API',
      // The bar shows somebody else's logo and a field for other documents.
      css: [{ filename: 'sora.css', content: '.swagger-ui .topbar { display: none }' }],
    },
  });
  server.get('/openapi.json', { schema: { hide: true } }, () => server.swagger());
}

/** The security requirement of every guarded route: either way of sending the key. */
export const KEY_REQUIRED = [{ bearer: [] }, { apiKey: [] }];

/** What only a signed-in person may do. */
export const COOKIE_REQUIRED = [{ session: [] }];
export const KEY_OR_COOKIE = [...KEY_REQUIRED, ...COOKIE_REQUIRED];
