import { asObject } from '../../core/json.ts';
import type { OutboundResponse } from '../../core/outbound.ts';
import {
  type OpenContext,
  type Operation,
  type OutputStream,
  ProviderError,
  type Variant,
} from '../provider.ts';
import { parseJson, readCapped } from '../upstream.ts';
import { operationId } from './answer.ts';
import type { ServerConnection } from './connection.ts';

/** With these a server says that there is no file here, or not this way: it may have an address for it all the same. */
const MISSES = new Set([400, 404, 405, 410, 422, 501]);

/**
 * Opens a file of a finished video: from `/content`, else from the address in the video object. Throws `gone` with
 * code `no_output` when the server says that it has neither, and `ambiguous` when only a gateway's page came.
 */
export async function openOutput(
  connection: ServerConnection,
  operation: Operation,
  variant: Variant,
  offset: number,
  context: OpenContext,
): Promise<OutputStream> {
  const { dialect } = connection;
  if (variant !== 'video' && !dialect.variants) throw noOutput();
  let miss = noOutput();
  if (dialect.result !== 'url') {
    const query = variant === 'video' ? '' : `?variant=${variant}`;
    const path = `/videos/${encodeURIComponent(operationId(operation))}/content${query}`;
    const found = await openOrMiss(connection, path, offset, context);
    if (!(found instanceof ProviderError)) return found;
    miss = found;
  }
  // Asking for the object also tells whether the video itself is unknown: then this throws.
  const { video } = await connection.retrieve(operation, context.signal);
  if (variant !== 'video' || dialect.result === 'content' || video.url === undefined) throw miss;
  const found = await openOrMiss(connection, addressOf(video.url), offset, context);
  if (found instanceof ProviderError) throw found;
  return found;
}

/** The file at this address, or in what way there is none. Throws when that cannot be said. */
async function openOrMiss(
  connection: ServerConnection,
  address: string,
  offset: number,
  context: OpenContext,
): Promise<OutputStream | ProviderError> {
  const response = await connection.open(address, offset, context);
  const { status, headers, body } = response;
  const isFile = (status === 200 || status === 206) && !isText(headers['content-type']?.toString());
  const stream = isFile ? streamOf(response, offset) : undefined;
  if (stream) return stream;
  // What came is no part that could be joined to what is there: all of it, then.
  if (offset > 0 && (isFile || status === 416)) {
    body.destroy();
    return openOrMiss(connection, address, 0, context);
  }
  const text = (await readCapped(body, 64 * 1024)).toString('utf8');
  const answer = { status, headers, text, json: parseJson(text) };
  if (status === 200 || status === 206) return asObject(answer.json) ? noOutput() : unreadable();
  const failure = connection.failure(answer, 'read');
  if (!MISSES.has(status)) throw failure;
  return failure.kind === 'ambiguous' && !failure.named ? failure : noOutput();
}

/** Undefined for a part that is not said to be the one asked for. */
function streamOf({ status, headers, body }: OutboundResponse, offset: number): OutputStream | undefined {
  const length = Number(headers['content-length'] ?? Number.NaN);
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/i.exec(headers['content-range']?.toString().trim() ?? '');
  if (status === 206 && !range && offset > 0) return undefined;
  const start = status === 206 && range ? Number(range[1]) : 0;
  const total = status === 206 && range ? Number(range[2]) : length;
  if (start !== 0 && start !== offset) return undefined;
  return {
    body,
    contentType: headers['content-type']?.toString(),
    totalBytes: Number.isFinite(total) ? total : undefined,
    offset: start,
    etag: headers.etag?.toString(),
    lastModified: headers['last-modified']?.toString(),
  };
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
  const message = 'The provider finished the video but has no such file.';
  return new ProviderError('gone', 'no_output', message, { named: true });
}

function unreadable(): ProviderError {
  const message = 'The upstream answered with a page where the file should be.';
  return new ProviderError('ambiguous', 'unreadable_answer', message);
}
