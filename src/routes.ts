import type { FastifyBaseLogger } from 'fastify';
import type { Kysely } from 'kysely';
import type { Accounts } from './accounts/accounts.ts';
import { registerAccountRoutes, registerOpenAccountRoutes } from './accounts/accounts.routes.ts';
import type { Access } from './access.ts';
import { createGuard } from './accounts/guard.ts';
import { registerKeyRoutes } from './accounts/keys.routes.ts';
import { registerAdminRoutes } from './admin/admin.routes.ts';
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
import { createRateLimit } from './http/rate-limit.ts';
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
import { registerBillRoutes } from './usage/bills.routes.ts';
import { registerPriceRoutes } from './usage/prices.routes.ts';
import { registerQuotaAdminRoutes, registerQuotaRoute } from './usage/quota.routes.ts';
import { registerAdminUsageRoutes, registerUsageRoutes } from './usage/reports.routes.ts';
import { viewSettings } from './settings-view.ts';
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
  access: Access;
  accounts: Accounts;
  checks: Readonly<Record<string, Check>>;
}

/** Every route of the product, on one server. A worker serves the operations' routes only. */
export async function createHttp(parts: HttpParts): Promise<Server> {
  const { config, metrics, logger } = parts;
  const { bodyLimitBytes, rateLimit, createLimit, trustProxy } = config.http;
  const { authenticate, keys, count } = parts.access;
  const server = await createServer({ logger, bodyLimitBytes, fileLimitBytes: MAX_IMAGE_BYTES, trustProxy });
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
    all: createRateLimit({ count, name: 'all', ...rateLimit, what: 'requests' }),
    create: createRateLimit({ count, name: 'create', ...createLimit, what: 'videos' }),
    upload: createRateLimit({ count, name: 'upload', ...createLimit, what: 'images' }),
  };
  const guard = createGuard(authenticate, limits.all);
  const adminGuard = createGuard(authenticate, limits.all, () => 'admin');
  const quotas = { db: parts.db, clock: parts.clock, quotaZone: config.quotaZone };
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
      registerQuotaRoute(scope, quotas);
      registerKeyRoutes(scope, { keys });
      registerUsageRoutes(scope, parts);
      registerAccountRoutes(scope, parts);
    },
    { prefix: '/api/v1' },
  );
  await server.register(
    async (scope: Server) => registerOpenAccountRoutes(scope, { ...parts, authenticate }),
    {
      prefix: '/api/v1/auth',
    },
  );
  await server.register(
    async (scope: Server) => {
      scope.addHook('onRequest', adminGuard);
      registerJobAdminRoutes(scope, parts);
      registerRetentionRoutes(scope, parts);
      registerPriceRoutes(scope, parts);
      registerQuotaAdminRoutes(scope, quotas);
      registerAdminUsageRoutes(scope, parts);
      await scope.register(async (inner: Server) => registerBillRoutes(inner, { ...parts, bodyLimitBytes }));
      const onUserChange = (userId: string) => {
        parts.access.forget();
        parts.accounts.sessions.forget(userId);
      };
      const shownSettings = viewSettings(config.settings);
      registerAdminRoutes(scope, { ...parts, onUserChange, shownSettings });
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

function pathOf(url: string): string {
  const path = url.split('?', 1)[0] ?? '';
  return path.length > 100 ? `${path.slice(0, 100)}…` : path;
}
