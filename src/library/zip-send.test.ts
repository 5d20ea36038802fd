import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import Fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { sendZip } from './zip-send.ts';
import { streamZip } from './zip-stream.ts';

test('a client that goes away before its zip begins leaves nothing open behind', async () => {
  const server = Fastify();
  onTestFinished(() => server.close());
  const asked = Promise.withResolvers<void>();
  const over = Promise.withResolvers<boolean>();
  server.get('/', async (_request, reply) => {
    asked.resolve();
    if (!reply.raw.closed) await once(reply.raw, 'close');
    const zip = streamZip(
      (target) => target.addFile('video.mp4', { sizeBytes: 1e7, at: new Date(0) }, async () => endless()),
      (_error, gone) => over.resolve(gone),
    );
    return sendZip(reply, 'videos.zip', zip);
  });
  await server.listen({ port: 0, host: '127.0.0.1' });
  const client = connect((server.server.address() as AddressInfo).port, '127.0.0.1');
  client.write('GET / HTTP/1.1\r\nhost: here\r\n\r\n');
  await asked.promise;
  client.destroy();
  expect(await over.promise).toBe(true);
});

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) yield Buffer.alloc(100_000);
}
