import { Type } from 'typebox';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { microsToUsd } from '../core/money.ts';
import type { Server } from '../http/server.ts';
import { type Check, checkReadiness } from './health.ts';
import { countProblems } from './ledger-metrics.ts';
import type { Metrics } from './metrics.ts';

export interface SystemRoutesOptions {
  version: string;
  clock: Clock;
  log: Log;
  checks: Readonly<Record<string, Check>>;
  metrics: Metrics;
}

const HealthSchema = Type.Object({
  status: Type.Literal('ok'),
  timestamp: Type.String(),
  uptime: Type.Number({ description: 'Seconds.' }),
  version: Type.String(),
});

const ReadySchema = Type.Object({
  ready: Type.Boolean(),
  checks: Type.Record(
    Type.String(),
    Type.Object({ ok: Type.Boolean(), ms: Type.Number(), message: Type.Optional(Type.String()) }),
  ),
  timestamp: Type.String(),
});

const MetricsSchema = Type.Object({
  jobs: Type.Object({
    total: Type.Integer(),
    pending: Type.Integer(),
    processing: Type.Integer(),
    completed: Type.Integer(),
    failed: Type.Integer(),
    cancelled: Type.Integer(),
  }),
  api: Type.Object({ requests: Type.Integer(), errors: Type.Integer() }),
  ledger: Type.Union(
    [
      Type.Object({
        checkedAt: Type.String({ format: 'date-time' }),
        entries: Type.Integer(),
        imbalanceUsd: Type.Number({ description: 'By how much accounts differ from their entries: 0.' }),
        problems: Type.Integer({ description: 'What breaks a rule of the books: 0.' }),
      }),
      Type.Null(),
    ],
    { description: 'The last proof of the books, at most some minutes old; null: none yet.' },
  ),
  system: Type.Object({
    uptime: Type.Number({ description: 'Seconds.' }),
    memory: Type.Object({ used: Type.Integer(), total: Type.Integer() }, { description: 'Bytes.' }),
  }),
});

/** `/health`, `/ready`, `/metrics`: without a key, for probes and scrapers. */
export function registerSystemRoutes(server: Server, options: SystemRoutesOptions): void {
  const { clock, metrics } = options;
  const startedAt = clock.now();
  const uptime = () => Math.round((clock.now() - startedAt) / 100) / 10;
  const common = { tags: ['Operations'] };

  server.get(
    '/health',
    { schema: { ...common, summary: 'Whether the process lives', response: { 200: HealthSchema } } },
    () => ({
      status: 'ok' as const,
      timestamp: new Date(clock.now()).toISOString(),
      uptime: uptime(),
      version: options.version,
    }),
  );

  server.get(
    '/ready',
    {
      schema: {
        ...common,
        summary: 'Whether it can do its work',
        response: { 200: ReadySchema, 503: ReadySchema },
      },
    },
    async (_request, reply) => {
      const readiness = await checkReadiness(options.checks, options);
      void reply.code(readiness.ready ? 200 : 503);
      return readiness;
    },
  );

  server.get(
    '/metrics',
    {
      schema: {
        ...common,
        summary: 'Figures as JSON, or as Prometheus text',
        description: 'Prometheus text when `Accept` asks for `text/plain` or `application/openmetrics-text`.',
        response: { 200: MetricsSchema },
      },
    },
    async (request, reply) => {
      if (/text\/plain|application\/openmetrics-text/.test(request.headers.accept ?? '')) {
        void reply.type(metrics.registry.contentType);
        return reply.send((await metrics.registry.metrics()) as never);
      }
      const [counts, ledger] = await Promise.all([metrics.jobCounts(), metrics.ledger()]);
      const { rss, heapUsed } = process.memoryUsage();
      return {
        jobs: { total: Object.values(counts).reduce((sum, count) => sum + count, 0), ...counts },
        api: metrics.requests(),
        ledger: ledger && {
          checkedAt: ledger.checkedAt.toISOString(),
          entries: ledger.entries,
          imbalanceUsd: microsToUsd(ledger.imbalanceMicros),
          problems: countProblems(ledger),
        },
        system: { uptime: uptime(), memory: { used: heapUsed, total: rss } },
      };
    },
  );
}
