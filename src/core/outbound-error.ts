import { errorText } from './errors.ts';

/**
 * How an outbound call went wrong.
 * - `not_sent`: the other side surely did not get the request (refused, unknown host, TLS, blocked here).
 * - `ambiguous`: it may have got it (time-out, reset, connection lost before an answer).
 */
export type OutboundFailure = 'not_sent' | 'ambiguous';

export class OutboundError extends Error {
  override readonly name = 'OutboundError';
  readonly failure: OutboundFailure;
  /** The system's or undici's error code, such as `ECONNREFUSED`; `blocked_address` when refused here. */
  readonly code: string;

  constructor(failure: OutboundFailure, code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
    this.code = code;
  }
}

const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_INVALID_ARG',
  'ERR_INVALID_URL',
  'blocked_address',
]);

/** Failures of the TLS handshake: nothing has been sent before it is over. */
const HANDSHAKE =
  /CERT|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|^EPROTO$|WRONG_VERSION_NUMBER|HANDSHAKE_FAILURE|UNSUPPORTED_PROTOCOL/;

/** What an error of undici, or of the system under it, says about a call to this address. */
export function toOutboundError(error: unknown, url: URL): OutboundError {
  const { code: given, name, syscall } = error as { code?: unknown; name?: unknown; syscall?: unknown };
  const code = String(given ?? name);
  const notSent = NOT_SENT.has(code) || HANDSHAKE.test(code) || syscall === 'connect';
  const text = errorText(error) || code;
  return new OutboundError(notSent ? 'not_sent' : 'ambiguous', code, `${url.host}: ${text}`, error);
}
