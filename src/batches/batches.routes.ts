import { Type } from 'typebox';
import { callerOf } from '../accounts/authenticate.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import type { RateLimit } from '../http/rate-limit.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { readClientRetry } from '../jobs/client-retry.ts';
import { sendCreated } from '../jobs/create-body.ts';
import { viewJob } from '../jobs/job-view.ts';
import { CreateHeaders } from '../jobs/jobs.schemas.ts';
import { paginationOf } from '../jobs/list-query.ts';
import type { BatchSummary } from './batch.ts';
import { viewBatch } from './batch-view.ts';
import * as schemas from './batches.schemas.ts';
import type { BatchesService } from './batches.service.ts';
import { registerCreateBatch } from './create-batch.route.ts';
import { readBatchListQuery } from './list-query.ts';

export interface BatchRoutesOptions {
  batches: BatchesService;
  createLimit: RateLimit;
  bodyLimitBytes: number;
}

/** `/api/v1/videos/batch` and `/api/v1/batches`; in a scope of its own. */
export async function registerBatchRoutes(server: Server, options: BatchRoutesOptions): Promise<void> {
  const { batches, createLimit } = options;
  const common = { tags: ['Batches'], security: KEY_REQUIRED };
  await server.register(async (scope: Server) => registerCreateBatch(scope, options));

  async function show(batch: BatchSummary, which: 'full' | 'ids' | 'none') {
    if (which === 'none') return viewBatch(batch);
    if (which === 'ids') return viewBatch(batch, { jobIds: await batches.itemIds(batch) });
    return viewBatch(batch, { jobs: (await batches.items(batch)).map(viewJob) });
  }

  server.get(
    '/batches',
    {
      schema: {
        ...common,
        operationId: 'listBatches',
        summary: 'List your batches, the newest first',
        querystring: schemas.ListBatchesQuery,
        response: { 200: schemas.BatchPage, ...failures([400]) },
      },
    },
    async (request) => {
      const { filter, page } = readBatchListQuery(request.query);
      const caller = callerOf(request);
      const count = await batches.count(caller, filter);
      const found = await batches.list(caller, filter, page, count);
      return {
        success: true as const,
        data: found.batches.map((batch) => viewBatch(batch)),
        pagination: paginationOf(page, count, found.nextCursor),
      };
    },
  );

  server.get(
    '/batches/:batchId',
    {
      schema: {
        ...common,
        operationId: 'getBatch',
        summary: 'Get a batch',
        params: schemas.BatchId,
        querystring: schemas.GetBatchQuery,
        response: { 200: Success(schemas.BatchSchema), ...failures([400, 404]) },
      },
    },
    async (request) => {
      const batch = await batches.get(callerOf(request), request.params.batchId);
      return { success: true as const, data: await show(batch, request.query.jobs ?? 'full') };
    },
  );

  server.get(
    '/batches/:batchId/events',
    {
      schema: {
        ...common,
        operationId: 'listBatchEvents',
        summary: 'What happened to a batch and its jobs, in order',
        params: schemas.BatchId,
        querystring: schemas.BatchEventsQuery,
        response: { 200: Success(Type.Array(schemas.BatchEventSchema)), ...failures([400, 404]) },
      },
    },
    async (request) => {
      const { after = 0, limit = 100 } = request.query;
      const events = await batches.events(callerOf(request), request.params.batchId, { after, limit });
      const data = events.map(({ id, type, jobId, createdAt, data }) => {
        return { id, type, jobId, createdAt: createdAt.toISOString(), data };
      });
      return { success: true as const, data };
    },
  );

  server.delete(
    '/batches/:batchId',
    {
      schema: {
        ...common,
        operationId: 'cancelBatch',
        summary: 'Cancel what is still open of a batch',
        description:
          'What waits is cancelled first and costs nothing; then the providers are asked to stop the rest.',
        params: schemas.BatchId,
        response: { 200: Success(schemas.CancelledBatchSchema), ...failures([404, 409]) },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const { batchId } = request.params;
      const outcomes = await batches.cancel(caller, batchId);
      const batch = await batches.get(caller, batchId);
      const cancelled = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
      const alreadyFinished = Math.max(0, batch.total - cancelled);
      const data = { batchId, cancelled, alreadyFinished, outcomes, batch: viewBatch(batch) };
      return { success: true as const, data };
    },
  );

  server.post(
    '/batches/:batchId/retry',
    {
      onRequest: async (request, reply) => createLimit(callerOf(request), request, reply),
      schema: {
        ...common,
        operationId: 'retryBatch',
        summary: 'Try again what failed or was cancelled',
        description:
          'New jobs in the places of the old ones, asking for the same; the answer lists the new ones.',
        params: schemas.BatchId,
        headers: CreateHeaders,
        response: { 201: Success(schemas.CreatedBatchSchema), ...failures([400, 402, 403, 404, 409, 422]) },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const retry = readClientRetry(request, caller);
      const created = await batches.retry(caller, request.params.batchId, retry);
      void reply.code(201).header('location', `/api/v1/batches/${created.id}`);
      return sendCreated(reply, created);
    },
  );
}
