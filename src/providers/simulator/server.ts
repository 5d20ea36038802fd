import multipart from '@fastify/multipart';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { newId, sha256 } from '../../core/ids.ts';
import type { Secret } from '../../core/secret.ts';
import { createClips } from './clips.ts';
import { type CreateRequest, readCreate } from './create-request.ts';
import { sendContent } from './send-content.ts';
import { createServerVideos } from './server-videos.ts';
import type { SimulatorOptions } from './simulator.ts';
import { readSourceRequest } from './source-request.ts';
import { modelObject, SERVER_MODELS, WIRE_DIALECTS, type WireDialect, WireError } from './wire.ts';

export interface SimulatorServerOptions extends SimulatorOptions {
  /** Asked for as a bearer token on every route but `/health`. */
  apiKey?: Secret;
  dialect?: WireDialect;
  /** How many videos are remembered (10,000). */
  maxVideos?: number;
  /** Told of anything that goes wrong unexpectedly. */
  onError?: (error: unknown) => void;
}

type ById = { Params: { id: string } };

/**
 * The simulator as a `/v1/videos` server: what the in-process one does, over HTTP, plus `GET /ledger` with every
 * creation it ever accepted. All state is in memory. Not listening yet.
 */
export async function createSimulatorServer(options: SimulatorServerOptions): Promise<FastifyInstance> {
  const dialect = options.dialect ?? WIRE_DIALECTS.default;
  const videos = createServerVideos(options);
  const clips = createClips({ clock: options.clock, render: options.render, dir: options.cacheDir });
  const server = fastify({
    bodyLimit: 32 * 1024 * 1024,
    genReqId: () => newId('req'),
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 500 },
  });
  await server.register(multipart);

  server.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    if (options.apiKey && request.url !== '/health') checkKey(request, options.apiKey);
  });
  server.setNotFoundHandler((request) => {
    throw new WireError(404, null, `Unknown request URL: ${request.method} ${request.url.split('?')[0]}.`);
  });
  server.setErrorHandler((error, _request, reply) => {
    const problem = toWireError(error);
    if (problem.status === 429) reply.header('retry-after', '1');
    if (problem.cause !== undefined) options.onError?.(problem.cause);
    return reply.code(problem.status).send(problem.toJSON());
  });

  server.get('/health', () => ({ status: 'ok' }));
  server.get('/ledger', () => videos.report());
  server.get('/v1/models', () => ({
    object: 'list',
    data: SERVER_MODELS.map((model) => modelObject(model, dialect)),
  }));
  server.get('/v1/videos', (request) => videos.list(request.query as Record<string, string | undefined>));
  server.post('/v1/videos', (request, reply) => create(request, reply, readCreate(request, dialect)));
  for (const [kind, path] of dialect.operations ? SOURCE_PATHS : []) {
    server.post(path, (request, reply) =>
      create(request, reply, readSourceRequest(request, kind, videos, dialect)),
    );
  }
  server.get<ById>('/v1/videos/:id', (request, reply) => {
    const { stored, state } = videos.get(request.params.id);
    if (state.nextMs > 0) reply.header('openai-poll-after-ms', String(Math.ceil(state.nextMs)));
    return videos.show(stored);
  });
  server.delete<ById>('/v1/videos/:id', (request) => videos.remove(request.params.id));
  server.get<ById>('/v1/videos/:id/content', (request, reply) => {
    const { variant = 'video' } = request.query as { variant?: string };
    return sendContent(clips, videos.download(request.params.id, variant), request, reply);
  });
  return server;

  async function create(
    request: FastifyRequest,
    reply: FastifyReply,
    wanted: Promise<CreateRequest>,
  ): Promise<unknown> {
    const key = request.headers['idempotency-key'];
    const video = videos.create(await wanted, typeof key === 'string' && key !== '' ? key : null);
    if (video) return video;
    reply.hijack();
    request.raw.socket.destroy();
    return undefined;
  }
}

const SOURCE_PATHS = [
  ['remix', '/v1/videos/:id/remix'],
  ['edit', '/v1/videos/edits'],
  ['extend', '/v1/videos/extensions'],
] as const;

function checkKey(request: FastifyRequest, apiKey: Secret): void {
  const given = request.headers.authorization ?? '';
  if (sha256(given) === sha256(`Bearer ${apiKey.reveal()}`)) return;
  throw new WireError(401, 'invalid_api_key', 'Incorrect API key provided.');
}

function toWireError(error: unknown): WireError {
  if (error instanceof WireError) return error;
  const { statusCode, message } = error as { statusCode?: number; message?: string };
  if (statusCode !== undefined && statusCode < 500) {
    return new WireError(statusCode, 'invalid_request', message ?? 'The request is not valid.');
  }
  const problem = new WireError(500, 'server_error', 'The simulator failed; see its output.');
  problem.cause = error;
  return problem;
}
