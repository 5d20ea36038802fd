import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Clock } from '../core/clock.ts';
import type { Server } from '../http/server.ts';
import { type LedgerFigures, observeLedger } from './ledger-metrics.ts';

export type JobCounts = Readonly<
  Record<'pending' | 'processing' | 'completed' | 'failed' | 'cancelled', number>
>;

export interface Metrics {
  registry: Registry;
  /** Counts every answer of the server from now on. */
  observe(server: Server): void;
  /** Jobs by status, at most a few seconds old. */
  jobCounts(): Promise<JobCounts>;
  requests(): { requests: number; errors: number };
  /** What the last proof of the books found; null: there has been none yet. */
  ledger(): Promise<LedgerFigures | null>;
}

/** Counting a million rows takes a while: once in this time is enough, in ms. */
const COUNTS_MAX_AGE_MS = 5000;

export function createMetrics(parts: {
  clock: Clock;
  countJobs: () => Promise<JobCounts>;
  ledger: () => Promise<LedgerFigures | undefined>;
}): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  let totals = { requests: 0, errors: 0 };
  let counts: { at: number; value: Promise<JobCounts> } | undefined;

  function jobCounts(): Promise<JobCounts> {
    const now = parts.clock.now();
    if (!counts || now - counts.at > COUNTS_MAX_AGE_MS) counts = { at: now, value: parts.countJobs() };
    return counts.value;
  }

  const requestSeconds = new Histogram({
    name: 'sora_http_request_duration_seconds',
    help: 'Time from a request to the end of its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    registers: [registry],
  });
  const errors = new Counter({
    name: 'sora_http_errors_total',
    help: 'Answers with a status of 500 or more.',
    registers: [registry],
  });
  const jobs: Gauge = new Gauge({
    name: 'sora_jobs',
    help: 'Jobs by status.',
    labelNames: ['status'],
    registers: [registry],
    async collect() {
      for (const [status, count] of Object.entries(await jobCounts())) jobs.set({ status }, count);
    },
  });

  observeLedger(registry, parts.ledger);

  return {
    registry,
    jobCounts,
    ledger: async () => (await parts.ledger()) ?? null,
    requests: () => totals,
    observe(server) {
      server.addHook('onResponse', (request, reply, done) => {
        const failed = reply.statusCode >= 500;
        totals = { requests: totals.requests + 1, errors: totals.errors + (failed ? 1 : 0) };
        if (failed) errors.inc();
        requestSeconds.observe(
          { method: request.method, route: request.routeOptions.url ?? 'unknown', status: reply.statusCode },
          reply.elapsedTime / 1000,
        );
        done();
      });
    },
  };
}
