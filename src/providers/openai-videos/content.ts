import type { OutboundResponse } from '../../core/outbound.ts';
import { type Operation, type OutputStream, ProviderError, type Variant } from '../provider.ts';
import { readCapped } from '../upstream.ts';
import { operationId } from './answer.ts';
import type { ServerConnection } from './connection.ts';

/**
 * Opens a file of a finished video: from `/content`, else from the address in the video object. Throws `gone` with
 * code `no_output` when the server has neither.
 */
export async function openOutput(
  connection: ServerConnection,
  operation: Operation,
  variant: Variant,
  offset: number,
  signal: AbortSignal,
): Promise<OutputStream> {
  const { dialect } = connection;
  if (variant !== 'video' && !dialect.variants) throw noOutput();
  if (dialect.result !== 'url') {
    const query = variant === 'video' ? '' : `?variant=${variant}`;
    const path = `/videos/${encodeURIComponent(operationId(operation))}/content${query}`;
    const stream = await openOrMiss(connection, path, offset, signal);
    if (stream) return stream;
  }
  // Asking for the object also tells whether the video itself is unknown: then this throws.
  const { video } = await connection.retrieve(operation, signal);
  if (variant !== 'video' || dialect.result === 'content' || video.url === undefined) throw noOutput();
  const stream = await openOrMiss(connection, addressOf(video.url), offset, signal);
  if (stream) return stream;
  throw noOutput();
}

/** Undefined when there is nothing at this address, or something that is no file. */
async function openOrMiss(
  connection: ServerConnection,
  address: string,
  offset: number,
  signal: AbortSignal,
): Promise<OutputStream | undefined> {
  const response = await connection.open(address, offset, signal);
  const { status, headers, body } = response;
  if (status === 416 && offset > 0) {
    body.destroy();
    return await openOrMiss(connection, address, 0, signal);
  }
  const contentType = headers['content-type']?.toString();
  if ((status === 200 || status === 206) && !isText(contentType))
    return streamOf(response, contentType, offset);
  if (status === 200 || [400, 404, 405, 410, 422, 501].includes(status)) {
    body.destroy();
    return undefined;
  }
  const text = (await readCapped(body, 64 * 1024)).toString('utf8');
  throw connection.failure({ status, headers, text, json: undefined }, 'read');
}

function streamOf(
  { status, headers, body }: OutboundResponse,
  contentType: string | undefined,
  offset: number,
): OutputStream {
  const length = Number(headers['content-length'] ?? Number.NaN);
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range']?.toString() ?? '');
  if (status === 206 && !range) {
    body.destroy();
    throw new ProviderError(
      'ambiguous',
      'unreadable_answer',
      'The upstream sent a part without saying which.',
    );
  }
  const start = range ? Number(range[1]) : 0;
  const total = range ? Number(range[2]) : length;
  if (start !== 0 && start !== offset) {
    body.destroy();
    throw new ProviderError(
      'ambiguous',
      'wrong_range',
      'The upstream sent another part than the one asked for.',
    );
  }
  return { body, contentType, totalBytes: Number.isFinite(total) ? total : undefined, offset: start };
}

function isText(contentType: string | undefined): boolean {
  return /^(application\/(problem\+)?json|text\/)/i.test(contentType ?? '');
}

/** Only web addresses, or paths on the server itself. */
function addressOf(url: string): string {
  if (/^https?:\/\//i.test(url) || (url.startsWith('/') && !url.startsWith('//'))) return url;
  throw noOutput();
}

function noOutput(): ProviderError {
  return new ProviderError('gone', 'no_output', 'The provider finished the video but has no such file.');
}
