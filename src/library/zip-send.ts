import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { ZipOutput } from './zip-stream.ts';

/**
 * Sends a zip as it is being made, no faster than the client takes it. One that breaks off ends the connection, so that
 * nobody takes it for whole; a client that goes away ends the making of it.
 */
export function sendZip(reply: FastifyReply, filename: string, { stream, release }: ZipOutput): FastifyReply {
  const response = reply.raw;
  void reply.headers({
    'content-type': 'application/zip',
    'content-disposition': `attachment; filename="${filename}"`,
    'cache-control': 'no-store',
  });
  // Past Fastify from here: only who writes to the socket knows when a chunk's memory is free again.
  reply.hijack();
  // Gone while the videos were being looked up: it closes no second time, and nobody would ever read on.
  if (response.closed) {
    stream.destroy();
    return reply;
  }
  response.writeHead(200, reply.getHeaders() as OutgoingHttpHeaders);
  response.once('close', () => stream.destroy());
  response.on('drain', () => stream.resume());
  stream.once('end', () => response.end());
  stream.once('close', () => {
    if (!stream.readableEnded) response.destroy();
  });
  stream.on('data', (chunk: Buffer) => {
    if (!response.write(chunk, () => release(chunk))) stream.pause();
  });
  return reply;
}
