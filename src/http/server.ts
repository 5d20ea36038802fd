import cors from '@fastify/cors';
import multipart from '@fastify/multipart';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { Ajv, type Options as AjvOptions } from 'ajv';
import addFormats from 'ajv-formats';
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  type RawServerDefault,
} from 'fastify';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../core/errors.ts';
import { systemClock } from '../core/clock.ts';
import { sendNativeError } from './errors.ts';

export type Server = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export interface ServerOptions {
  logger: FastifyBaseLogger;
  bodyLimitBytes: number;
  /** Largest uploaded file, in bytes. */
  fileLimitBytes: number;
  /** Proxies whose word on the client's address is taken; true: all. */
  trustProxy?: boolean | string[] | undefined;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Every route there is, for those who judge all of them. */
    everyRoute: { method: string; url: string }[];
  }
}

/** How long a request may take to arrive, in ms: an import of 20 GiB at 1 MB/s takes six hours. */
const REQUEST_TIMEOUT_MS = 12 * 60 * 60_000;
/** The same for everything but imports. */
const BODY_TIMEOUT_MS = 120_000;
const IMPORT = /\/import$/;

/** Requests slower than this are logged as warnings, in ms. */
const SLOW_MS = 1000;

/**
 * What Helmet sets by default, as one constant: set through the raw response, one by one, they cost a third of a cached
 * answer. HSTS is not among them: whether a host is to be reached by TLS only is for whoever terminates TLS to say.
 */
const SECURITY_HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'SAMEORIGIN',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
} as const;

/** What scripts of other origins may read. */
const EXPOSED_HEADERS = [
  'location',
  'x-request-id',
  'retry-after',
  'ratelimit-limit',
  'ratelimit-remaining',
  'ratelimit-reset',
];

/** A Fastify with what every route here relies on: strict bodies, request ids, security headers, quiet logs. */
export async function createServer(options: ServerOptions): Promise<Server> {
  const server = Fastify({
    loggerInstance: options.logger,
    bodyLimit: options.bodyLimitBytes,
    // Not one of our time-ordered ids: those ask for fresh randomness each time, which every request would pay for.
    genReqId: () => `req_${randomUUID().replaceAll('-', '')}`,
    requestIdHeader: false,
    trustProxy: options.trustProxy ?? false,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 256 },
    forceCloseConnections: 'idle',
    // An archive may take hours to arrive; every other body is given up by `endSlowBodies`.
    requestTimeout: REQUEST_TIMEOUT_MS,
    frameworkErrors: (error, request, reply) => void sendNativeError(error, request, reply),
  }).withTypeProvider<TypeBoxTypeProvider>();

  const routes: Server['everyRoute'] = [];
  server.decorate('everyRoute', routes);
  server.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) routes.push({ method: each, url });
  });
  useStrictValidation(server);
  endSlowBodies(server);
  server.removeContentTypeParser('text/plain');
  tolerateEmptyJson(server);
  await server.register(cors, { origin: true, exposedHeaders: EXPOSED_HEADERS });
  await server.register(multipart, {
    limits: { fileSize: options.fileLimitBytes, files: 1, fields: 100, fieldSize: options.bodyLimitBytes },
  });
  server.decorateRequest('principal', undefined);
  server.addHook('onRequest', (request, reply, done) => {
    void reply.headers(SECURITY_HEADERS).header('x-request-id', request.id);
    done(request.url.includes('%00') ? nulIn(request) : undefined);
  });
  server.addHook('onResponse', (request, reply, done) => {
    const ms = Math.round(reply.elapsedTime * 10) / 10;
    const fields = {
      method: request.method,
      path: request.routeOptions.url ?? 'unknown',
      status: reply.statusCode,
      ms,
    };
    if (ms > SLOW_MS && !isDownload(fields.path)) request.log.warn(fields, 'slow request');
    else if (request.method === 'GET' || request.method === 'HEAD') request.log.debug(fields, 'request');
    else request.log.info(fields, 'request');
    done();
  });
  return server;
}

/** No id, name or word has a NUL, and no database can be asked about one: refused with the field that has it. */
function nulIn({ params, query }: FastifyRequest): AppError | undefined {
  const fields = Object.entries({ ...(params as object), ...(query as object) });
  const param = fields.find((field) => field.some((text) => String(text).includes('\0')))?.[0];
  if (param === undefined) return undefined;
  const name = param.replaceAll('\0', '');
  return new AppError('invalid_request', {
    message: `${name} has characters that are no text.`,
    param: name,
  });
}

/** Many clients send the header with every request, also where there is no body: that is no broken JSON. */
function tolerateEmptyJson(server: Server): void {
  const parse = server.getDefaultJsonParser('error', 'error');
  server.removeContentTypeParser('application/json');
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text, done) =>
    text === '' ? done(null, undefined) : parse(request, String(text), done),
  );
}

/** Bodies are taken at their word (`"4"` is not 4); query strings and paths are text and may be converted. */
function useStrictValidation(server: Server): void {
  const common: AjvOptions = { allErrors: true, removeAdditional: false, useDefaults: true, strict: false };
  const strict = new Ajv({ ...common, coerceTypes: false });
  const lenient = new Ajv({ ...common, coerceTypes: 'array' });
  for (const ajv of [strict, lenient]) {
    addFormats.default(ajv);
    ajv.addFormat('date-time', { validate: isDateTime });
  }
  server.setValidatorCompiler(({ schema, httpPart }) =>
    (httpPart === 'body' ? strict : lenient).compile(schema as object),
  );
}

const dateTime = addFormats.default.get('date-time') as { validate(text: string): boolean };

/** Leap seconds are in the format, and in no clock here. */
function isDateTime(text: string): boolean {
  return dateTime.validate(text) && !Number.isNaN(Date.parse(text));
}

/** Ends requests whose body trickles in: a connection that says little must not be held for hours. */
function endSlowBodies(server: Server): void {
  server.addHook('preParsing', (request, _reply, _payload, done) => {
    const { raw } = request;
    if (!raw.complete && hasBody(raw) && !IMPORT.test(request.routeOptions.url ?? '')) {
      const cancel = systemClock.after(BODY_TIMEOUT_MS, () => {
        if (!raw.complete) raw.destroy();
      });
      raw.once('close', cancel);
    }
    done();
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function isDownload(path: string): boolean {
  return /\/(?:content|zip|export|import)$/.test(path);
}
