import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clips } from './clips.ts';
import { streamClip, type Slice } from './content.ts';
import type { SimulatedVideo } from './timeline.ts';
import { WireError } from './wire.ts';

/** Sends the rendered clip, or the one part of it that a `Range` header names. */
export async function sendContent(
  clips: Clips,
  video: SimulatedVideo,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { file, bytes, etag } = await clips.open(video);
  const ifRange = request.headers['if-range'];
  const isSame = ifRange === undefined || ifRange === etag;
  const slice = sliceFor(isSame ? request.headers.range : undefined, bytes);
  if (slice === 'unsatisfiable') {
    await file.close();
    reply.header('content-range', `bytes */${bytes}`);
    throw new WireError(416, 'range_not_satisfiable', 'The file has no such range.');
  }
  const { start, end } = slice ?? { start: 0, end: bytes - 1 };
  if (slice) reply.code(206).header('content-range', `bytes ${start}-${end}/${bytes}`);
  return reply
    .header('accept-ranges', 'bytes')
    .header('etag', etag)
    .header('content-length', String(end - start + 1))
    .type('video/mp4')
    .send(streamClip(file, bytes, { start, end }, video.faults));
}

/** The slice a `Range` header asks for; undefined (the whole) for none, several, or one that cannot be read. */
export function sliceFor(header: string | undefined, bytes: number): Slice | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  if (match[1] === '') {
    const length = Math.min(Number(match[2]), bytes);
    return length > 0 ? { start: bytes - length, end: bytes - 1 } : 'unsatisfiable';
  }
  const start = Number(match[1]);
  const end = match[2] === '' ? bytes - 1 : Math.min(Number(match[2]), bytes - 1);
  if (match[2] !== '' && Number(match[2]) < start) return undefined;
  return start < bytes ? { start, end } : 'unsatisfiable';
}
