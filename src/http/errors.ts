import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { AppError, ERRORS, type ErrorCode } from '../core/errors.ts';

/** What a client is told, whatever was thrown. */
export interface PublicError {
  status: number;
  code: ErrorCode;
  message: string;
  details?: unknown;
  param?: string | undefined;
  retryAfterSeconds?: number | undefined;
}

/** Fastify's and its plugins' own complaints, in our words. */
const TRANSLATED: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_request',
  FST_REQ_FILE_TOO_LARGE: 'payload_too_large',
  FST_FILES_LIMIT: 'invalid_multipart',
  FST_PARTS_LIMIT: 'invalid_multipart',
  FST_FIELDS_LIMIT: 'invalid_multipart',
  FST_PROTO_VIOLATION: 'invalid_multipart',
  FST_INVALID_MULTIPART_CONTENT_TYPE: 'invalid_multipart',
};

/** SQLSTATE: a NUL was to be stored or compared. No id has one, so only a request can have brought it here. */
const NO_TEXT = '22021';

/** One place decides what of an error may be seen. Whatever is not foreseen is a 500 that says nothing. */
export function toPublicError(error: unknown): PublicError {
  if (error instanceof AppError) {
    const { status, code, message, details, param, retryAfterSeconds } = error;
    return { status, code, message, details, param, retryAfterSeconds };
  }
  const fastify = error as Partial<FastifyError>;
  if (fastify.validation) return fromValidation(fastify.validation);
  if (fastify.code === NO_TEXT) {
    const message = 'The request has a character that is no text (U+0000).';
    return { ...ERRORS.invalid_request, code: 'invalid_request', message };
  }
  const code = fastify.code === undefined ? undefined : TRANSLATED[fastify.code];
  if (code) return { status: ERRORS[code].status, code, message: ERRORS[code].message };
  if (fastify.code === 'FST_ERR_BAD_URL') return { ...ERRORS.not_found, code: 'not_found' };
  return { ...ERRORS.internal_error, code: 'internal_error' };
}

interface FieldProblem {
  field: string;
  message: string;
}

function fromValidation(validation: NonNullable<FastifyError['validation']>): PublicError {
  const unknown = validation.find((problem) => problem.keyword === 'additionalProperties');
  const details = validation.map(describe);
  const [first] = unknown ? [describe(unknown)] : details;
  const code = unknown ? 'unknown_field' : 'invalid_request';
  const message = first ? `${first.field ? `${first.field}: ` : ''}${first.message}.` : ERRORS[code].message;
  return { status: 400, code, message, details: { fields: details }, param: first?.field };
}

type Problem = NonNullable<FastifyError['validation']>[number];

function describe(problem: Problem): FieldProblem {
  const path = problem.instancePath.split('/').slice(1);
  const extra = problem.params['additionalProperty'] ?? problem.params['missingProperty'];
  const field = [...path, ...(typeof extra === 'string' ? [extra] : [])].join('.');
  return { field, message: sentence(problem) };
}

function sentence({ keyword, params, message = 'is not valid' }: Problem): string {
  switch (keyword) {
    case 'additionalProperties':
      return 'there is no such field';
    case 'required':
      return 'is needed';
    case 'enum':
      return `must be one of ${(params['allowedValues'] as unknown[]).join(', ')}`;
    case 'uniqueItems':
      return 'must not name anything twice';
    case 'const':
      return `must be ${String(params['allowedValue'])}`;
    default:
      return message;
  }
}

const USED_UP: ReadonlySet<ErrorCode> = new Set(['budget_exceeded', 'quota_exceeded']);

/** Logs what a client is not told, and sets the headers every error has. */
export function prepareError(error: unknown, request: FastifyRequest, reply: FastifyReply): PublicError {
  const shown = toPublicError(error);
  if (shown.status >= 500) request.log.error({ err: error }, 'request failed');
  void reply.code(shown.status);
  if (shown.retryAfterSeconds !== undefined)
    void reply.header('retry-after', String(shown.retryAfterSeconds));
  // What is used up does not come back by asking again: OpenAI's clients obey this.
  if (USED_UP.has(shown.code)) void reply.header('x-should-retry', 'false');
  if (shown.status === 401) void reply.header('www-authenticate', 'Bearer');
  return shown;
}

/** Fields that are called otherwise in OpenAI's format, whose words `param` uses. */
const NATIVE_FIELDS: Readonly<Record<string, string>> = {
  seconds: 'duration',
  size: 'resolution',
  input_reference: 'inputReference',
};

/** A field by its name in the native API. */
export function nativeField(param: string | undefined): string | undefined {
  return param === undefined ? undefined : (NATIVE_FIELDS[param] ?? param);
}

/** The native API's error body. */
export function sendNativeError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const shown = prepareError(error, request, reply);
  const { code, message, param } = shown;
  const field = nativeField(param);
  const details = field === undefined ? shown.details : { field, ...(shown.details as object | undefined) };
  return reply.send({
    success: false,
    error: { code, message, ...(details === undefined ? {} : { details }), requestId: request.id },
  });
}
