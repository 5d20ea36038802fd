import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorCode } from '../core/errors.ts';
import { prepareError } from '../http/errors.ts';

/** Our codes where OpenAI's clients know another word. */
const CODES: Partial<Record<ErrorCode, string>> = {
  unauthorized: 'invalid_api_key',
  unknown_field: 'unknown_parameter',
  invalid_request: 'invalid_value',
  internal_error: 'server_error',
};

function typeOf(status: number): string {
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

/** The error envelope of OpenAI's API. */
export function sendOpenAiError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, code, message, param } = prepareError(error, request, reply);
  return reply.send({
    error: { message, type: typeOf(status), param: param ?? null, code: CODES[code] ?? code },
  });
}
