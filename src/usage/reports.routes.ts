import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { callerOf } from '../accounts/authenticate.ts';
import type { Clock } from '../core/clock.ts';
import { writeCsv } from '../core/csv.ts';
import { AppError } from '../core/errors.ts';
import { microsToUsd } from '../core/money.ts';
import type { DB } from '../database/schema.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { type Figures, readReport, type ReportFilter, type ReportRequest } from './reports.ts';
import { readUsage, type Report } from './reports.repository.ts';
import { AdminUsageQuery, UsageQuery, UsageSchema } from './reports.schemas.ts';

export interface UsageRoutesOptions {
  db: Kysely<DB>;
  clock: Clock;
}

/** Lines of a table, at the most: more than a spreadsheet is pleasant with. */
const MAX_LINES = 100_000;

const DESCRIPTION =
  'Sums that are kept with every change: exact, and fast over any number of jobs. Jobs count when they were created and when they ended, money when it was charged or corrected.';

/** `/api/v1/usage`: what the caller's own space has used. */
export function registerUsageRoutes(server: Server, options: UsageRoutesOptions): void {
  server.get(
    '/usage',
    {
      schema: {
        tags: ['Usage'],
        security: KEY_REQUIRED,
        operationId: 'getUsage',
        summary: 'What you have used, by day, model, key and more',
        description: DESCRIPTION,
        querystring: UsageQuery,
        response: { 200: Success(UsageSchema), ...failures([400]) },
      },
    },
    (request, reply) => answer(options, request, reply, { ownerId: callerOf(request).ownerId }),
  );
}

/** `/api/v1/admin/usage`: what everybody has used. */
export function registerAdminUsageRoutes(server: Server, options: UsageRoutesOptions): void {
  server.get(
    '/usage',
    {
      schema: {
        tags: ['Administration'],
        security: KEY_REQUIRED,
        operationId: 'getUsageOfAll',
        summary: 'What everybody has used',
        description: DESCRIPTION,
        querystring: AdminUsageQuery,
        response: { 200: Success(UsageSchema), ...failures([400, 403]) },
      },
    },
    (request, reply) => {
      const { owner, team, user } = request.query;
      if (owner !== undefined && team !== undefined)
        throw new AppError('invalid_request', {
          message: 'A team is an owner: name one of them.',
          param: 'team',
        });
      return answer(options, request, reply, { ownerId: owner ?? team, userId: user });
    },
  );
}

async function answer(
  { db, clock }: UsageRoutesOptions,
  request: FastifyRequest<{ Querystring: UsageQuery }>,
  reply: FastifyReply,
  filter: ReportFilter,
) {
  const { page = 1, limit = 1000, format, ...wishes } = request.query;
  const wanted = readReport(wishes, filter, clock.now());
  if (wantsCsv(request, format)) {
    const report = await readUsage(db, wanted, { limit: MAX_LINES, offset: 0 });
    if (report.groupCount > MAX_LINES) {
      const message = `The report has ${report.groupCount} groups: narrow it to ${MAX_LINES} at the most.`;
      throw new AppError('invalid_request', { message });
    }
    void reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', 'attachment; filename="usage.csv"');
    return reply.send(tableOf(wanted, report) as never);
  }
  const report = await readUsage(db, wanted, { limit, offset: (page - 1) * limit });
  return {
    success: true as const,
    data: { ...view(wanted, report), pagination: pages(page, limit, report) },
  };
}

/** Whether a table was asked for, one way or the other. */
export function wantsCsv({ headers }: FastifyRequest, format: 'json' | 'csv' | undefined): boolean {
  return format === undefined ? /\btext\/csv\b/.test(headers.accept ?? '') : format === 'csv';
}

function pages(page: number, limit: number, { groupCount }: Report) {
  return { page, limit, total: groupCount, totalPages: Math.ceil(groupCount / limit) };
}

function view({ from, to, timeZone, groupBy }: ReportRequest, report: Report) {
  return {
    from: from.toISOString(),
    to: to?.toISOString() ?? null,
    timeZone,
    groupBy: [...groupBy],
    groups: report.groups.map(({ keys, ...figures }) => ({
      ...Object.fromEntries(groupBy.map((grouping, index) => [grouping, keys[index] ?? null])),
      ...viewFigures(figures),
    })),
    total: viewFigures(report.total),
  };
}

function viewFigures(figures: Figures) {
  const { created, completed, failed, cancelled, seconds } = figures;
  return {
    jobs: { created, completed, failed, cancelled },
    seconds,
    estimatedUsd: microsToUsd(figures.estimated_micros),
    heldUsd: microsToUsd(figures.held_micros),
    chargedUsd: microsToUsd(figures.charged_micros),
    correctedUsd: microsToUsd(figures.corrected_micros),
  };
}

function tableOf({ groupBy }: ReportRequest, { groups }: Report): string {
  const columns = ['created', 'completed', 'failed', 'cancelled', 'seconds'];
  const money = ['estimatedUsd', 'heldUsd', 'chargedUsd', 'correctedUsd'] as const;
  const rows = groups.map(({ keys, ...figures }) => {
    const { jobs, seconds, ...usd } = viewFigures(figures);
    const { created, completed, failed, cancelled } = jobs;
    return [...keys, created, completed, failed, cancelled, seconds, ...money.map((name) => usd[name])];
  });
  return writeCsv([...groupBy, ...columns, ...money], rows);
}
