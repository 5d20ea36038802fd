import { connect, createServer, type Socket } from 'node:net';

export interface LossyProxy {
  url: string;
  /** Creating requests that came through, and answers to them that were lost. */
  counts: { requests: number; lost: number };
  close(): void;
}

/**
 * Passes connections on and, now and then, loses the answer to a POST: the connection drops after the server has done its
 * work. `loses` is asked once for each of them, counted from 1.
 */
export async function startLossyProxy(
  target: string,
  loses: (request: number) => boolean,
): Promise<LossyProxy> {
  const { port } = new URL(target);
  const sockets = new Set<Socket>();
  const counts = { requests: 0, lost: 0 };
  const proxy = createServer((client) => {
    const server = connect(Number(port), '127.0.0.1');
    let lost = false;
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (chunk) => {
      if (chunk.toString('latin1').startsWith('POST ')) lost = loses((counts.requests += 1));
      server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (!lost) return void client.write(chunk);
      counts.lost += 1;
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    counts,
    close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  };
}
