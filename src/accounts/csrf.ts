import type { FastifyRequest } from 'fastify';
import { AppError } from '../core/errors.ts';

const HARMLESS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses what a page of another site made a browser ask for: a request that changes something must name this server as its
 * origin. Browsers send `Origin` with every such request, and no page can forge it.
 */
export function requireOwnOrigin(request: FastifyRequest, publicUrl: string | undefined): void {
  const { method, headers } = request;
  if (HARMLESS.has(method) || isProgram(headers) || isOwnOrigin(headers, publicUrl)) return;
  throw new AppError('foreign_origin');
}

/** No browser asks like that, and without a cookie there is nothing that a page could use. */
export function isProgram({ origin, cookie, ...headers }: FastifyRequest['headers']): boolean {
  return origin === undefined && headers['sec-fetch-site'] === undefined && cookie === undefined;
}

/** Behind a proxy `Host` may be an inner name: then PUBLIC_URL says what people see. */
export function isOwnOrigin(
  headers: Pick<FastifyRequest['headers'], 'origin' | 'host' | 'sec-fetch-site'>,
  publicUrl: string | undefined,
): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return headers['sec-fetch-site'] === 'same-origin';
  if (!URL.canParse(origin)) return false;
  const own = new URL(origin);
  if (own.protocol !== 'http:' && own.protocol !== 'https:') return false;
  return (
    own.host === host?.toLowerCase() || (publicUrl !== undefined && own.origin === new URL(publicUrl).origin)
  );
}
