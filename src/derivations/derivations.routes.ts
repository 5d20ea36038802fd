import type { FastifyReply, FastifyRequest } from 'fastify';
import { callerOf } from '../accounts/authenticate.ts';
import { AppError } from '../core/errors.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import type { RateLimit } from '../http/rate-limit.ts';
import { failures, Success } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { readClientRetry } from '../jobs/client-retry.ts';
import { createBodyReader, sendCreated } from '../jobs/create-body.ts';
import type { Created } from '../jobs/create-job.ts';
import type { Job } from '../jobs/job.ts';
import { viewJob } from '../jobs/job-view.ts';
import { CreateHeaders, JobId, JobSchema } from '../jobs/jobs.schemas.ts';
import type { SourceKind } from '../providers/model.ts';
import type { DerivationsService } from './derivations.service.ts';
import { ExtendBody, RemixBody, RetryBody } from './derivations.schemas.ts';

export interface DerivationRoutesOptions {
  derivations: DerivationsService;
  createLimit: RateLimit;
}

const OPERATIONS = {
  remix: {
    body: RemixBody,
    summary: 'Make a new video out of a finished one, with another prompt',
  },
  edit: {
    body: RemixBody,
    summary: 'Change something in a finished video',
  },
  extend: {
    body: ExtendBody,
    summary: 'Go on where a finished video ends',
  },
} as const satisfies Record<SourceKind, object>;

/** `POST /api/v1/videos/:jobId/remix`, `/edit`, `/extend` and `/retry`. */
export function registerDerivationRoutes(server: Server, options: DerivationRoutesOptions): void {
  const { derivations, createLimit } = options;
  const common = {
    tags: ['Videos'],
    security: KEY_REQUIRED,
    params: JobId,
    headers: CreateHeaders,
    response: { 201: Success(JobSchema), ...failures([400, 402, 403, 404, 409, 413, 415, 422]) },
  };
  const onRequest = async (request: FastifyRequest, reply: FastifyReply) =>
    createLimit(callerOf(request), request, reply);
  const originOf = (request: FastifyRequest) => ({
    retry: readClientRetry(request, callerOf(request)),
    render: (job: Job) => JSON.stringify({ success: true, data: viewJob(job) }),
  });

  for (const kind of ['remix', 'edit', 'extend'] as const) {
    const { body, summary } = OPERATIONS[kind];
    server.post(
      `/videos/:jobId/${kind}`,
      {
        onRequest,
        preValidation: createBodyReader({ onFile: refuseFile }),
        schema: {
          ...common,
          operationId: `${kind}Video`,
          summary,
          description:
            'The provider does it where it can; else a stand-in is made, and `derivation.note` says so. What you leave ' +
            "out is the parent's.",
          consumes: ['application/json', 'multipart/form-data'],
          body: body as typeof RemixBody,
        },
      },
      async (request, reply) => {
        const { duration, aspectRatio, aspect_ratio: snake, ...rest } = request.body;
        const wish = { ...rest, seconds: duration, aspectRatio: aspectRatio ?? snake };
        const { jobId } = request.params;
        const created = await derivations.derive(callerOf(request), jobId, kind, wish, originOf(request));
        return answer(reply, created);
      },
    );
  }

  server.post(
    '/videos/:jobId/retry',
    {
      onRequest,
      preValidation: async (request: FastifyRequest) => void (request.body ??= {}),
      schema: {
        ...common,
        operationId: 'retryVideo',
        summary: 'Ask for the same again',
        description:
          'For a video that failed or was cancelled: a new job with the same request, linked to it.',
        body: RetryBody,
      },
    },
    async (request, reply) => {
      const { jobId } = request.params;
      return answer(reply, await derivations.retry(callerOf(request), jobId, originOf(request)));
    },
  );
}

function answer(reply: FastifyReply, created: Created) {
  void reply.code(201).header('location', `/api/v1/videos/${created.id}`);
  return sendCreated(reply, created);
}

function refuseFile(field: string): never {
  throw new AppError('unsupported_input', {
    message: 'No file can be sent with this: it starts from the video named in the path.',
    param: field,
  });
}
