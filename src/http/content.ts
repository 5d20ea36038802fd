import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../core/errors.ts';
import type { ByteRange } from '../storage/storage.ts';
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

/** Sends a file or the part asked for, in flat memory. Honours Range, If-Range, If-None-Match and HEAD. */
export async function sendContent(
  request: FastifyRequest,
  reply: FastifyReply,
  file: ContentFile,
  open: (range?: ByteRange) => Promise<Readable>,
): Promise<FastifyReply> {
  const etag = `"${file.sha256}"`;
  void reply.headers({
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=31536000, immutable',
    'content-disposition': `${file.attachment ? 'attachment' : 'inline'}; filename="${file.filename}"`,
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
  const length = range ? range.end - range.start + 1 : file.sizeBytes;
  void reply.header('content-length', length);
  if (range) {
    void reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${file.sizeBytes}`);
  }
  if (request.method === 'HEAD') return reply.send();
  return reply.send(await open(range));
}
