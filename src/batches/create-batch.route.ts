import { callerOf } from '../accounts/authenticate.ts';
import { AppError } from '../core/errors.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import type { RateLimit } from '../http/rate-limit.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { readClientRetry } from '../jobs/client-retry.ts';
import { sendCreated } from '../jobs/create-body.ts';
import { CreateBody, CreateHeaders } from '../jobs/jobs.schemas.ts';
import type { BatchRequest } from './batch.ts';
import { createBatchReader, FILE_TYPES } from './batch-body.ts';
import { viewDryRun } from './batch-view.ts';
import * as schemas from './batches.schemas.ts';
import type { BatchesService } from './batches.service.ts';
import { schemaCheck } from './schema-check.ts';

export interface CreateBatchOptions {
  batches: BatchesService;
  createLimit: RateLimit;
  bodyLimitBytes: number;
}

/** `POST /api/v1/videos/batch`, in every format. The server's other routes keep to theirs: register it in a scope. */
export function registerCreateBatch(server: Server, options: CreateBatchOptions): void {
  const { batches, createLimit } = options;
  const check = schemaCheck<CreateBody>(server, CreateBody);
  const readBatch = createBatchReader(server, { ...options, maxVideos: batches.maxVideos });

  for (const type of Object.keys(FILE_TYPES)) {
    server.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  }
  server.addContentTypeParser('*', (_request, _payload, done) =>
    done(
      new AppError('unsupported_media_type', {
        message: 'Send a batch as application/json, text/csv, application/jsonl or multipart/form-data.',
      }),
    ),
  );

  server.post(
    '/videos/batch',
    {
      onRequest: async (request, reply) => createLimit(callerOf(request), request, reply),
      preValidation: readBatch,
      // The reader has judged the body, the service judges the videos: the schema is for the document.
      validatorCompiler: (part) => {
        if (part.httpPart === 'body') return () => true;
        const compile = server.validatorCompiler;
        return compile ? compile(part) : () => true;
      },
      schema: {
        tags: ['Batches'],
        security: KEY_REQUIRED,
        operationId: 'createBatch',
        summary: 'Create many videos at once',
        description:
          'All of them or none: `details.items` of a refusal names every bad video by its index. JSON, CSV, JSONL, or a form with such a file.',
        body: schemas.CreateBatchContent,
        querystring: schemas.CreateBatchQuery,
        headers: CreateHeaders,
        response: {
          200: { ...Success(schemas.DryRunSchema), description: 'With `dryRun`: what would be created.' },
          201: Success(schemas.CreatedBatchSchema),
          ...failures([400, 402, 403, 413, 415, 422, 503]),
        },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const batch = request.body as BatchRequest;
      if (request.query.dryRun) {
        const data = viewDryRun(batches.dryRun(caller, batch, check));
        return { success: true as const, data };
      }
      const created = await batches.create(caller, batch, check, readClientRetry(request, caller));
      void reply.code(201).header('location', `/api/v1/batches/${created.id}`);
      return sendCreated(reply, created);
    },
  );
}
