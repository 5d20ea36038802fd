import { callerOf } from '../accounts/authenticate.ts';
import type { ImageInput } from '../assets/image-input.ts';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { sendContent } from '../http/content.ts';
import { KEY_REQUIRED } from '../http/openapi.ts';
import type { RateLimit } from '../http/rate-limit.ts';
import { failures, FILE_ANSWERS } from '../http/schemas.ts';
import type { Server } from '../http/server.ts';
import { readClientRetry } from '../jobs/client-retry.ts';
import { createBodyReader, sendCreated } from '../jobs/create-body.ts';
import type { CreateVideo } from '../jobs/jobs.service.ts';
import { filenameOf, type Job } from '../jobs/job.ts';
import type { JobsService } from '../jobs/jobs.service.ts';
import type { Catalog } from '../providers/catalog.ts';
import { parseSize, supportsSeconds, supportsSize } from '../providers/model.ts';
import { POLL_AFTER, pollAfterMs, toVideo, videoBody } from './translate.ts';
import { CreateHeaders } from '../jobs/jobs.schemas.ts';
import * as schemas from './videos.schemas.ts';

export interface VideoRoutesOptions {
  jobs: JobsService;
  catalog: Catalog;
  createLimit: RateLimit;
  clock: Clock;
}

const ORDER = { sort: 'createdAt' } as const;
const DEFAULT_LIMIT = 20;

const openAiFailures = (...statuses: number[]) => failures(statuses, schemas.OpenAiFailure);

/** `/v1/videos`: the wire format of OpenAI's Videos API over the same jobs. */
export function registerVideoRoutes(server: Server, options: VideoRoutesOptions): void {
  const { jobs, catalog, clock } = options;
  const common = { tags: ['OpenAI'], security: KEY_REQUIRED };
  server.addHook('onSend', async (_request, reply) => {
    void reply.headers({
      'openai-version': '2020-10-01',
      'openai-processing-ms': Math.round(reply.elapsedTime),
    });
  });

  server.post(
    '/videos',
    {
      onRequest: async (request, reply) => options.createLimit(callerOf(request), request, reply),
      preValidation: createBodyReader(),
      schema: {
        ...common,
        operationId: 'openaiCreateVideo',
        summary: 'Create a video',
        consumes: ['application/json', 'multipart/form-data'],
        headers: CreateHeaders,
        body: schemas.CreateVideoBody,
        response: { 200: schemas.VideoSchema, ...openAiFailures(400, 402, 403, 404, 413, 415, 422, 503) },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const wish = withDefaults(readCreate(request.body, request.reference), catalog);
      const origin = { retry: readClientRetry(request, caller), render: videoBody };
      const created = await jobs.create(caller, wish, origin);
      void reply.header('openai-poll-after-ms', POLL_AFTER.usual);
      return sendCreated(reply, created);
    },
  );

  server.get(
    '/videos',
    {
      schema: {
        ...common,
        operationId: 'openaiListVideos',
        summary: 'List videos',
        querystring: schemas.ListVideosQuery,
        response: { 200: schemas.VideoListSchema, ...openAiFailures(400, 404) },
      },
    },
    async (request) => {
      const { after, limit = DEFAULT_LIMIT, order = 'desc' } = request.query;
      const caller = callerOf(request);
      const cursor =
        after === undefined ? undefined : await jobs.cursorAfter(caller, after, { ...ORDER, order });
      const page = { ...ORDER, order, limit: Math.max(1, limit), offset: 0, cursor };
      const found = await jobs.list(caller, {}, page);
      const data = found.jobs.slice(0, limit).map(toVideo);
      const hasMore = found.nextCursor !== undefined || data.length < found.jobs.length;
      return {
        object: 'list' as const,
        data,
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        has_more: hasMore,
      };
    },
  );

  server.get(
    '/videos/:video_id',
    {
      schema: {
        ...common,
        operationId: 'openaiRetrieveVideo',
        summary: 'Retrieve a video',
        params: schemas.VideoId,
        response: { 200: schemas.VideoSchema, ...openAiFailures(404) },
      },
    },
    async (request, reply) => {
      const { job, rendered } = await jobs.get(callerOf(request), request.params.video_id);
      let body = rendered.get('openai');
      if (body === undefined) rendered.set('openai', (body = videoBody(job)));
      void reply.headers(pollHeaders(job));
      return reply.type('application/json; charset=utf-8').send(body as never);
    },
  );

  server.route({
    method: ['GET', 'HEAD'],
    url: '/videos/:video_id/content',
    schema: {
      ...common,
      summary: 'Download a video, its thumbnail (webp) or its spritesheet (jpg)',
      params: schemas.VideoId,
      querystring: schemas.VideoContentQuery,
      response: { ...FILE_ANSWERS, ...openAiFailures(400, 404, 416) },
    },
    handler: async (request, reply) => {
      const { variant = 'video' } = request.query;
      const id = request.params.video_id;
      const file = await jobs.file(callerOf(request), id, variant);
      const content = { ...file, filename: filenameOf(id, file.key), attachment: false };
      return sendContent(request, reply, content, {
        open: (range) => jobs.open(file, range),
        link: () => jobs.link(file, content),
      });
    },
  });

  server.delete(
    '/videos/:video_id',
    {
      schema: {
        ...common,
        operationId: 'openaiDeleteVideo',
        summary: 'Delete a video',
        description: 'One that is not finished is cancelled first: the upstream is asked to stop.',
        params: schemas.VideoId,
        response: { 200: schemas.DeletedSchema, ...openAiFailures(404) },
      },
    },
    async (request) => {
      const id = request.params.video_id;
      await jobs.remove(callerOf(request), id);
      return { id, object: 'video.deleted' as const, deleted: true as const };
    },
  );

  function pollHeaders(job: Job): Record<string, number> {
    const ms = pollAfterMs(job, clock.now());
    return ms === undefined ? {} : { 'openai-poll-after-ms': ms };
  }
}

function readCreate(body: schemas.CreateVideoBody, uploaded: Buffer | undefined): CreateVideo {
  const { prompt, model, seconds, size, input_reference: reference } = body;
  if (size !== undefined && !parseSize(size)) {
    throw new AppError('invalid_request', { message: 'size looks like 1280x720.', param: 'size' });
  }
  return {
    prompt,
    model,
    seconds: seconds === undefined ? undefined : Number(seconds),
    resolution: size,
    reference: uploaded ? { data: uploaded } : reference && readReference(reference),
  };
}

function readReference(reference: NonNullable<schemas.CreateVideoBody['input_reference']>): ImageInput {
  return 'file_id' in reference ? { assetId: reference.file_id } : { url: reference.image_url };
}

/** The format's own defaults, four seconds upright, where the model can do them; else the model's. */
function withDefaults(wish: CreateVideo, catalog: Catalog): CreateVideo {
  const { model } = catalog.resolve(wish.model);
  const upright = { width: 720, height: 1280 };
  return {
    ...wish,
    seconds: wish.seconds ?? (supportsSeconds(model, 4) ? 4 : undefined),
    resolution: wish.resolution ?? (supportsSize(model, upright) ? '720x1280' : undefined),
  };
}
