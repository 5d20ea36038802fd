import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../core/errors.ts';
import { type ByteRange, type Chunks, contentDisposition } from '../storage/storage.ts';
import { matchesEtag, parseRange } from './range.ts';

/** A stored file as HTTP needs it. Its content never changes: the hash is its entity tag. */
export interface ContentFile {
  sizeBytes: number;
  sha256: string;
  contentType: string;
  /** What a browser should call it when saving. */
  filename: string;
  attachment: boolean;
}

/** Where the bytes of a file come from. */
export interface ContentSource {
  open(range?: ByteRange): Promise<Chunks>;
  /** An address at the store itself, when clients are to fetch from there; undefined: the bytes pass through us. */
  link?(): Promise<string | undefined>;
}

/**
 * Sends a file or the part asked for, in flat memory, or says where it is. Honours Range, If-Range, If-None-Match and
 * HEAD.
 */
export async function sendContent(
  request: FastifyRequest,
  reply: FastifyReply,
  file: ContentFile,
  { open, link }: ContentSource,
): Promise<FastifyReply> {
  const etag = `"${file.sha256}"`;
  void reply.headers({
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=31536000, immutable',
    'content-disposition': contentDisposition(file),
    'content-type': file.contentType,
    etag,
  });
  if (matchesEtag(request.headers['if-none-match'], etag)) return reply.code(304).send();

  const ifRange = request.headers['if-range'];
  const wanted = ifRange === undefined || ifRange === etag ? request.headers.range : undefined;
  const range = parseRange(wanted, file.sizeBytes);
  if (range === 'unsatisfiable') {
    void reply.header('content-range', `bytes */${file.sizeBytes}`);
    throw new AppError('range_not_satisfiable', { details: { sizeBytes: file.sizeBytes } });
  }
  // Conditions name our entity tag, which the store does not know; a HEAD needs no bytes.
  const address = request.method === 'HEAD' || isConditional(request) ? undefined : await link?.();
  if (address !== undefined) return redirect(reply, address);
  const length = range ? range.end - range.start + 1 : file.sizeBytes;
  void reply.header('content-length', length);
  if (range) {
    void reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${file.sizeBytes}`);
  }
  if (request.method === 'HEAD') return reply.send();
  const chunks = await open(range);
  // Past Fastify from here: a stream of its would keep chunks that are about to be used again.
  reply.hijack();
  reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders);
  await send(reply.raw, chunks, request);
  return reply;
}

function isConditional({ headers }: FastifyRequest): boolean {
  return headers['if-range'] !== undefined || headers['if-none-match'] !== undefined;
}

/** The file's own headers come from the store; the address is for this caller, and only for a while. */
function redirect(reply: FastifyReply, address: string): FastifyReply {
  for (const name of ['accept-ranges', 'content-disposition', 'content-type', 'etag'])
    reply.removeHeader(name);
  return reply.header('cache-control', 'no-store').redirect(address, 302);
}

/** Sends chunk by chunk, each only once the one before has left us. A client that goes away ends it quietly. */
async function send(response: ServerResponse, chunks: Chunks, request: FastifyRequest): Promise<void> {
  let giveUp = (_error: Error): void => {};
  response.once('close', () => giveUp(new Error('the client has gone')));
  try {
    for await (const chunk of chunks) {
      if (response.closed) break;
      await new Promise<void>((resolve, reject) => {
        giveUp = reject;
        // Called when the chunk is out of our hands; only then may its memory be used again.
        response.write(chunk, (error) => (error ? reject(error) : resolve()));
      });
    }
    response.end();
  } catch (error) {
    if (!response.closed) request.log.error({ err: error }, 'a download broke off');
    response.destroy();
  }
}
