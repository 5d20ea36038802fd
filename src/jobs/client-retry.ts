import type { FastifyRequest } from 'fastify';
import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import { sha256 } from '../core/ids.ts';

/** What a creating request says about being a repetition. */
export interface ClientRetry {
  /**
   * Who asked, in whose name, where, for what: the same for a request and all its retries, with whatever credential they
   * come, since keys are rotated. A UUID.
   */
  fingerprint: string;
  /** The client's `Idempotency-Key`. */
  key: string | undefined;
  /** The official clients send no key; but they say which retry this is, from 1. 0: a first try. */
  retryCount: number;
}

const MAX_KEY_LENGTH = 255;
/** More than any client tries; what a column holds. */
const MAX_RETRY_COUNT = 1_000_000;

/** Reads it from a validated request. Throws `invalid_request` for a key that is none. */
export function readClientRetry(
  request: FastifyRequest,
  caller: Pick<Principal, 'ownerId' | 'userId'>,
): ClientRetry {
  const key = request.headers['idempotency-key'];
  if (
    key !== undefined &&
    (typeof key !== 'string' || !/^[\x21-\x7e]+$/.test(key) || key.length > MAX_KEY_LENGTH)
  ) {
    throw new AppError('invalid_request', {
      message: `An Idempotency-Key has 1 to ${MAX_KEY_LENGTH} printable ASCII characters.`,
      param: 'Idempotency-Key',
    });
  }
  const image = request.reference ? sha256(request.reference) : '';
  const { params } = request;
  const named = Object.keys(params as object).length > 0 ? [canonical(params)] : [];
  const { ownerId, userId } = caller;
  const asked = [ownerId, userId, request.routeOptions.url, ...named, canonical(request.body), image];
  return { fingerprint: toUuid(sha256(asked.join('\n'))), key, retryCount: readRetryCount(request) };
}

function readRetryCount({ headers }: FastifyRequest): number {
  const count = Number(headers['x-stainless-retry-count'] ?? 0);
  return Number.isInteger(count) && count > 0 ? Math.min(count, MAX_RETRY_COUNT) : 0;
}

/** JSON with the fields of every object in order: the same for the same content. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** The first 128 bits of a hash, in the form PostgreSQL keeps in 16 bytes. */
function toUuid(hash: string): string {
  return hash.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
