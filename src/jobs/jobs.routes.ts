import { Type } from 'typebox';
import { callerOf } from '../accounts/authenticate.ts';
import { AppError } from '../core/errors.ts';
import { sendContent } from '../http/content.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import type { RateLimit } from '../http/rate-limit.ts';
import { failures, FILE_ANSWERS, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { readClientRetry } from './client-retry.ts';
import { createBodyReader, readReference, sendCreated } from './create-body.ts';
import { filenameOf, type Job } from './job.ts';
import { readListQuery, paginationOf } from './list-query.ts';
import { viewJob, viewResult } from './job-view.ts';
import * as schemas from './jobs.schemas.ts';
import type { JobsService } from './jobs.service.ts';

export interface JobRoutesOptions {
  jobs: JobsService;
  createLimit: RateLimit;
}

/** `/api/v1/videos`. */
export function registerJobRoutes(server: Server, { jobs, createLimit }: JobRoutesOptions): void {
  const common = { tags: ['Videos'], security: KEY_REQUIRED };

  server.post(
    '/videos',
    {
      onRequest: async (request, reply) => createLimit(callerOf(request), request, reply),
      preValidation: createBodyReader(),
      schema: {
        ...common,
        operationId: 'createVideo',
        summary: 'Create a video',
        description:
          'Answers at once with a job; follow it with `GET /api/v1/videos/{jobId}`. JSON or multipart.',
        consumes: ['application/json', 'multipart/form-data'],
        body: schemas.CreateBody,
        headers: schemas.CreateHeaders,
        response: { 201: Success(schemas.JobSchema), ...failures([400, 402, 403, 404, 413, 415, 422, 503]) },
      },
    },
    async (request, reply) => {
      const { duration, aspectRatio, aspect_ratio: snake, inputReference, ...rest } = request.body;
      const caller = callerOf(request);
      const wish = {
        ...rest,
        seconds: duration,
        aspectRatio: aspectRatio ?? snake,
        reference: readReference({ inputReference, referenceFit: rest.referenceFit }, request.reference),
      };
      const origin = { retry: readClientRetry(request, caller), render: nativeBody };
      const created = await jobs.create(caller, wish, origin);
      void reply.code(201).header('location', `/api/v1/videos/${created.id}`);
      return sendCreated(reply, created);
    },
  );

  server.get(
    '/videos',
    {
      schema: {
        ...common,
        operationId: 'listVideos',
        summary: 'List your videos',
        querystring: schemas.ListQuery,
        response: {
          200: Type.Object({
            success: Type.Literal(true),
            data: Type.Array(schemas.JobSchema),
            pagination: schemas.Pagination,
          }),
          ...failures([400]),
        },
      },
    },
    async (request) => {
      const { filter, page } = readListQuery(request.query);
      const caller = callerOf(request);
      const count = await jobs.count(caller, filter, page);
      const found = await jobs.list(caller, filter, page, count);
      return {
        success: true as const,
        data: found.jobs.map(viewJob),
        pagination: paginationOf(page, count, found.nextCursor),
      };
    },
  );

  server.get(
    '/videos/:jobId',
    {
      schema: {
        ...common,
        operationId: 'getVideo',
        summary: 'Get a video job',
        params: schemas.JobId,
        response: { 200: Success(schemas.JobSchema), ...failures([404]) },
      },
    },
    async (request, reply) => {
      const { job, rendered } = await jobs.get(callerOf(request), request.params.jobId, TRASH_TOO);
      let body = rendered.get('native');
      if (body === undefined) rendered.set('native', (body = nativeBody(job)));
      // Rendered once per change of the job; past the serializer, which has nothing to add.
      return reply.type('application/json; charset=utf-8').send(body as never);
    },
  );

  server.get(
    '/videos/:jobId/result',
    {
      schema: {
        ...common,
        operationId: 'getVideoResult',
        summary: 'Get what a completed job made',
        params: schemas.JobId,
        response: { 200: Success(schemas.ResultSchema), ...failures([400, 404]) },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      await jobs.file(caller, request.params.jobId, 'video', TRASH_TOO);
      const result = viewResult((await jobs.get(caller, request.params.jobId, TRASH_TOO)).job);
      return { success: true as const, data: result as NonNullable<typeof result> };
    },
  );

  server.get(
    '/videos/:jobId/events',
    {
      schema: {
        ...common,
        operationId: 'listVideoEvents',
        summary: 'What happened to a job, in order',
        params: schemas.JobId,
        response: { 200: Success(Type.Array(schemas.EventSchema)), ...failures([404]) },
      },
    },
    async (request) => {
      const events = await jobs.events(callerOf(request), request.params.jobId);
      const data = events.map(({ id, type, createdAt, data }) => ({
        id,
        type,
        createdAt: createdAt.toISOString(),
        data,
      }));
      return { success: true as const, data };
    },
  );

  server.route({
    method: ['GET', 'HEAD'],
    url: '/videos/:jobId/content',
    schema: {
      ...common,
      summary: 'Download a file of a completed job',
      description: 'Honours Range, If-Range, If-None-Match and HEAD.',
      params: schemas.JobId,
      querystring: schemas.ContentQuery,
      response: { ...FILE_ANSWERS, ...failures([400, 404, 416]) },
    },
    handler: async (request, reply) => {
      const { variant = 'video', download = false } = request.query;
      const file = await jobs.file(callerOf(request), request.params.jobId, variant, TRASH_TOO);
      const content = { ...file, filename: filenameOf(request.params.jobId, file.key), attachment: download };
      return sendContent(request, reply, content, {
        open: (range) => jobs.open(file, range),
        link: () => jobs.link(file, content),
      });
    },
  });

  server.delete(
    '/videos/:jobId',
    {
      schema: {
        ...common,
        operationId: 'cancelVideo',
        summary: 'Cancel a job, or delete a finished one',
        description:
          'Cancels an open job. `?trash=true` moves it to the trash, cancelling an open one first; `?purge=true` deletes a finished one with its files, for good.',
        params: schemas.JobId,
        querystring: schemas.DeleteQuery,
        response: {
          200: Success(Type.Union([schemas.JobSchema, schemas.PurgedSchema])),
          ...failures([400, 404, 409]),
        },
      },
    },
    async (request) => {
      const { jobId } = request.params;
      const { purge, trash } = request.query;
      if (purge && trash) {
        throw new AppError('invalid_request', {
          message: 'Give trash or purge, not both: a purged video cannot be restored.',
          param: 'purge',
        });
      }
      if (trash) {
        const { job } = await jobs.trash(callerOf(request), jobId);
        return { success: true as const, data: viewJob(job) };
      }
      if (purge) {
        await jobs.purge(callerOf(request), jobId);
        return { success: true as const, data: { jobId, purged: true as const } };
      }
      const job = await jobs.cancel(callerOf(request), jobId);
      return { success: true as const, data: viewJob(job) };
    },
  );

  server.post(
    '/videos/:jobId/restore',
    {
      schema: {
        ...common,
        operationId: 'restoreVideo',
        summary: 'Take a video out of the trash',
        params: schemas.JobId,
        response: { 200: Success(schemas.JobSchema), ...failures([404, 409]) },
      },
    },
    async (request) => {
      const job = await jobs.restore(callerOf(request), request.params.jobId);
      return { success: true as const, data: viewJob(job) };
    },
  );
}

/** What is in the trash is hidden from lists, not from whoever knows its id. */
const TRASH_TOO = { trashToo: true } as const;

function nativeBody(job: Job): string {
  return JSON.stringify({ success: true, data: viewJob(job) });
}
