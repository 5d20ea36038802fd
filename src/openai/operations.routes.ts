import type { FastifyReply, FastifyRequest } from 'fastify';
import { callerOf } from '../accounts/authenticate.ts';
import { AppError } from '../core/errors.ts';
import type { DeriveWish } from '../derivations/derive.ts';
import type { DerivationsService } from '../derivations/derivations.service.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import type { RateLimit } from '../http/rate-limit.ts';
import { failures } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { readClientRetry } from '../jobs/client-retry.ts';
import { createBodyReader, sendCreated } from '../jobs/create-body.ts';
import { CreateHeaders } from '../jobs/jobs.schemas.ts';
import type { SourceKind } from '../providers/model.ts';
import { POLL_AFTER, videoBody } from './translate.ts';
import * as schemas from './videos.schemas.ts';

export interface OperationRoutesOptions {
  derivations: DerivationsService;
  createLimit: RateLimit;
}

const DESCRIPTION =
  'The provider does it where it can; else a stand-in is made, and `derivation.note` says so. JSON or multipart.';

/** Remix, edits and extensions of `/v1/videos`; the guard of the scope stands before them. */
export function registerOperationRoutes(server: Server, options: OperationRoutesOptions): void {
  const common = {
    onRequest: async (request: FastifyRequest, reply: FastifyReply) =>
      options.createLimit(callerOf(request), request, reply),
    preValidation: createBodyReader({ onFile: refuseFile }),
  };
  const schema = {
    tags: ['OpenAI'],
    security: KEY_REQUIRED,
    description: DESCRIPTION,
    consumes: ['application/json', 'multipart/form-data'],
    headers: CreateHeaders,
    response: {
      200: schemas.VideoSchema,
      ...failures([400, 402, 403, 404, 413, 415, 422], schemas.OpenAiFailure),
    },
  };

  server.post(
    '/videos/:video_id/remix',
    {
      ...common,
      schema: {
        ...schema,
        operationId: 'openaiRemixVideo',
        summary: 'Remix a video',
        params: schemas.VideoId,
        body: schemas.RemixVideoBody,
      },
    },
    async (request, reply) => derive(request, reply, 'remix', request.params.video_id, request.body),
  );

  server.post(
    '/videos/edits',
    {
      ...common,
      schema: {
        ...schema,
        operationId: 'openaiEditVideo',
        summary: 'Edit a video',
        body: schemas.EditVideoBody,
      },
    },
    async (request, reply) => {
      const { prompt, video } = request.body;
      return derive(request, reply, 'edit', video.id, { prompt });
    },
  );

  server.post(
    '/videos/extensions',
    {
      ...common,
      schema: {
        ...schema,
        operationId: 'openaiExtendVideo',
        summary: 'Extend a video',
        description: `${DESCRIPTION} \`seconds\` of the answer is the length of the whole file that will come.`,
        body: schemas.ExtendVideoBody,
      },
    },
    async (request, reply) => {
      const { prompt, seconds, video } = request.body;
      return derive(request, reply, 'extend', video.id, { prompt, seconds: Number(seconds) });
    },
  );

  server.post('/videos/characters', { schema: { hide: true } }, () => {
    throw new AppError('operation_unsupported', {
      message: 'Characters are not offered here: describe them in the prompt, or send a reference image.',
    });
  });
  server.get('/videos/characters/:character_id', { schema: { hide: true } }, () => {
    throw new AppError('not_found', { message: 'Characters are not offered here.' });
  });

  async function derive(
    request: FastifyRequest,
    reply: FastifyReply,
    kind: SourceKind,
    videoId: string,
    wish: DeriveWish,
  ) {
    const caller = callerOf(request);
    const origin = { retry: readClientRetry(request, caller), render: videoBody };
    const created = await options.derivations.derive(caller, videoId, kind, wish, origin);
    void reply.header('openai-poll-after-ms', POLL_AFTER.usual);
    return sendCreated(reply, created);
  }
}

function refuseFile(field: string): never {
  throw new AppError('unsupported_input', {
    message:
      'Uploaded videos cannot be used here: name a completed video of yours, as {"video": {"id": "video_…"}}.',
    param: field,
  });
}
