import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A store that swallows: takes objects in parts or whole, counts their bytes and gives back as many. Checks nothing. A
 * process of its own, so that its memory is not the storage's.
 */
const objects = new Map<string, { sizeBytes: number; sha256: string }>();
const CHUNK = Buffer.alloc(64 * 1024, 'x');

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname: name, searchParams } = new URL(request.url ?? '/', 'http://sink');
  const object = objects.get(name) ?? { sizeBytes: 0, sha256: '' };
  const sha256 = request.headers['x-amz-meta-sha256'];
  if (typeof sha256 === 'string') objects.set(name, Object.assign(object, { sizeBytes: 0, sha256 }));
  for await (const chunk of request) {
    if (request.method === 'PUT') object.sizeBytes += (chunk as Buffer).length;
  }
  if (request.method === 'POST') {
    response.end(searchParams.has('uploads') ? '<R><UploadId>u</UploadId></R>' : '<R><ETag>e</ETag></R>');
    return;
  }
  response.setHeader('etag', '"e"');
  if (request.method === 'GET' || request.method === 'HEAD') {
    response.setHeader('x-amz-meta-sha256', object.sha256).setHeader('content-length', object.sizeBytes);
  }
  if (request.method === 'GET') {
    for (let left = object.sizeBytes; left > 0; left -= CHUNK.length) {
      if (!response.write(CHUNK.subarray(0, Math.min(left, CHUNK.length)))) await once(response, 'drain');
    }
  }
  response.end();
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());
