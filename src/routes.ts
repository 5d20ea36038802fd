import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import type { Accounts } from './accounts/accounts.ts';
import { registerAccountRoutes, registerOpenAccountRoutes } from './accounts/accounts.routes.ts';
import { type Authenticate, callerOf, type Guard } from './accounts/authenticate.ts';
import { requireScope, type Scope } from './accounts/principal.ts';
import { registerAssetRoutes } from './assets/assets.routes.ts';
import type { AssetsService } from './assets/assets.service.ts';
import { registerBatchRoutes } from './batches/batches.routes.ts';
import type { BatchesService } from './batches/batches.service.ts';
import type { Config } from './config.ts';
import type { Clock } from './core/clock.ts';
import { AppError } from './core/errors.ts';
import { registerDerivationRoutes } from './derivations/derivations.routes.ts';
import type { DerivationsService } from './derivations/derivations.service.ts';
import type { GetLineage } from './derivations/lineage.ts';
import { registerLineageRoute } from './derivations/lineage.routes.ts';
import { sendNativeError } from './http/errors.ts';
import { collectOpenApi, serveOpenApi } from './http/openapi.ts';
import { createRateLimit, type RateLimit } from './http/rate-limit.ts';
import { createServer, type Server } from './http/server.ts';
import { registerJobAdminRoutes } from './jobs/admin.routes.ts';
import { registerJobRoutes } from './jobs/jobs.routes.ts';
import type { DraftJob } from './jobs/draft-job.ts';
import { registerEstimateRoutes } from './jobs/estimate.routes.ts';
import type { DB } from './database/schema.ts';
import type { JobsService } from './jobs/jobs.service.ts';
import { registerModelRoutes } from './jobs/models.routes.ts';
import type { LibraryParts } from './library/library.ts';
import { registerLibraryRoutes } from './library/library.routes.ts';
import { MAX_IMAGE_BYTES } from './media/image.ts';
import { registerOpenAiModelRoutes } from './openai/models.routes.ts';
import { sendOpenAiError } from './openai/openai-errors.ts';
import { registerOperationRoutes } from './openai/operations.routes.ts';
import { registerVideoRoutes } from './openai/videos.routes.ts';
import type { Catalog } from './providers/catalog.ts';
import type { Retention } from './retention/retention.ts';
import { registerRetentionRoutes } from './retention/retention.routes.ts';
import type { Check } from './system/health.ts';
import type { Metrics } from './system/metrics.ts';
import type { PriceBook } from './usage/price-book.ts';
import { registerPriceRoutes } from './usage/prices.routes.ts';
import { registerSystemRoutes } from './system/system.routes.ts';

export interface HttpParts {
  config: Config;
  version: string;
  logger: FastifyBaseLogger;
  clock: Clock;
  assets: AssetsService;
  jobs: JobsService;
  library: LibraryParts;
  retention: Retention;
  batches: BatchesService;
  derivations: DerivationsService;
  getLineage: GetLineage;
  catalog: Catalog;
  db: Kysely<DB>;
  prices: PriceBook;
  draftJob: DraftJob;
  metrics: Metrics;
  authenticate: Authenticate;
  accounts: Accounts;
  checks: Readonly<Record<string, Check>>;
}

/** Every route of the product, on one server. A worker serves the operations' routes only. */
export async function createHttp(parts: HttpParts): Promise<Server> {
  const { config, clock, metrics, logger } = parts;
  const { bodyLimitBytes, rateLimit, createLimit, trustedProxies } = config.http;
  const server = await createServer({
    logger,
    bodyLimitBytes,
    fileLimitBytes: MAX_IMAGE_BYTES,
    trustedProxies,
  });
  metrics.observe(server);
  server.setErrorHandler(sendNativeError);
  server.setNotFoundHandler((request, reply) => {
    const error = new AppError('not_found', {
      message: `There is nothing at ${request.method} ${pathOf(request.url)}.`,
    });
    const send = /^\/v1(?:[/?]|$)/.test(request.url) ? sendOpenAiError : sendNativeError;
    return send(error, request, reply);
  });
  await collectOpenApi(server, { version: parts.version, publicUrl: config.http.publicUrl });
  registerSystemRoutes(server, { ...parts, log: logger });
  if (config.role === 'worker') return server;

  const limits = {
    all: createRateLimit({ clock, ...rateLimit, what: 'requests' }),
    create: createRateLimit({ clock, ...createLimit, what: 'videos' }),
    upload: createRateLimit({ clock, ...createLimit, what: 'images' }),
  };
  const guard = createGuard(parts.authenticate, limits.all, scopeOf);
  const adminGuard = createGuard(parts.authenticate, limits.all, () => 'admin');
  const createLimited = { ...parts, createLimit: limits.create };
  // The guard stands before each scope once: asked twice it would count twice.
  await server.register(
    async (scope: Server) => {
      scope.addHook('onRequest', guard);
      registerJobRoutes(scope, createLimited);
      registerDerivationRoutes(scope, createLimited);
      registerLineageRoute(scope, parts);
      await scope.register((inner: Server) =>
        registerBatchRoutes(inner, { ...createLimited, bodyLimitBytes }),
      );
      registerLibraryRoutes(scope, createLimited);
      registerAssetRoutes(scope, { ...parts, createLimit: limits.upload });
      registerModelRoutes(scope, parts);
      registerEstimateRoutes(scope, parts);
      registerAccountRoutes(scope, parts);
    },
    { prefix: '/api/v1' },
  );
  await server.register(async (scope: Server) => registerOpenAccountRoutes(scope, parts), {
    prefix: '/api/v1/auth',
  });
  await server.register(
    async (scope: Server) => {
      scope.addHook('onRequest', adminGuard);
      registerJobAdminRoutes(scope, parts);
      registerRetentionRoutes(scope, parts);
      registerPriceRoutes(scope, parts);
    },
    { prefix: '/api/v1/admin' },
  );
  await server.register(
    async (scope: Server) => {
      scope.setErrorHandler(sendOpenAiError);
      scope.addHook('onRequest', guard);
      registerVideoRoutes(scope, createLimited);
      registerOperationRoutes(scope, createLimited);
      registerOpenAiModelRoutes(scope, parts);
    },
    { prefix: '/v1' },
  );
  await serveOpenApi(server);
  server.get('/', { schema: { hide: true } }, (_request, reply) => reply.redirect('/docs'));
  return server;
}

/**
 * The guard of every route: who it is, whether there has not been too much of it, and whether it may do this. No promise
 * where none is needed.
 */
function createGuard(
  authenticate: Authenticate,
  limit: RateLimit,
  scopeFor: (request: FastifyRequest) => Scope,
): Guard {
  return (request, reply, done) => {
    const count = () => {
      const caller = callerOf(request);
      limit(caller.credentialId, request, reply);
      requireScope(caller, scopeFor(request));
    };
    try {
      const resolving = authenticate(request);
      if (resolving) return void resolving.then(count).then(() => done(), done);
      count();
    } catch (error) {
      return done(error as Error);
    }
    return done();
  };
}

/** What a route needs where it does not say so itself: looking is reading, everything else is writing. */
function scopeOf({ method, routeOptions }: FastifyRequest): Scope {
  return (
    routeOptions.config.scope ?? (method === 'GET' || method === 'HEAD' ? 'videos:read' : 'videos:write')
  );
}

function pathOf(url: string): string {
  const path = url.split('?', 1)[0] ?? '';
  return path.length > 100 ? `${path.slice(0, 100)}…` : path;
}
