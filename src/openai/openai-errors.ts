import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorCode } from '../core/errors.ts';
import { prepareError } from '../http/errors.ts';

/** Our codes where OpenAI's clients know another word. */
const CODES: Partial<Record<ErrorCode, string>> = {
  unauthorized: 'invalid_api_key',
  unknown_field: 'unknown_parameter',
  invalid_request: 'invalid_value',
  internal_error: 'server_error',
  budget_exceeded: 'insufficient_quota',
  quota_exceeded: 'insufficient_quota',
};

function typeOf(status: number, code: string): string {
  if (code === 'insufficient_quota') return code;
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

/** The error envelope of OpenAI's API. */
export function sendOpenAiError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, code: ours, message, param } = prepareError(error, request, reply);
  const code = CODES[ours] ?? ours;
  return reply.send({ error: { message, type: typeOf(status, code), param: param ?? null, code } });
}
