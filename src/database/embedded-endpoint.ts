import { createServer } from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { type Endpoint, type Places, SOCKET_PORT } from './embedded-places.ts';
import { DatabaseStartError } from './start-error.ts';

/** The longest socket path every Unix takes (macOS: 104 bytes with the closing zero). */
const MAX_SOCKET_PATH = 103;

/**
 * A Unix socket wherever possible: nobody but the server's own user and root reaches it, it needs no free
 * port, it is a fifth faster than the loopback interface, and whether it answers tells a live server from a
 * dead one even between containers that share a volume but not their process ids. Where none can be had, a
 * free port on the loopback address.
 * @throws DatabaseStartError `unsupported` when there is neither.
 */
export async function chooseEndpoint(places: Places, preferPort: boolean): Promise<Endpoint> {
  if (
    !preferPort &&
    canUseSocket(places) &&
    (await listens(path.join(places.home, `.probe-${process.pid}`))) !== undefined
  )
    return { socketDir: places.home };
  const port = await listens(0);
  if (port === undefined)
    throw new DatabaseStartError('unsupported', 'No port can be opened on the loopback address 127.0.0.1.');
  return { port };
}

/** Tries an address: some file systems (shared folders of virtual machines) cannot hold sockets. */
function listens(address: string | 0): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(address === 0 ? { port: 0, host: '127.0.0.1' } : { path: address }, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : 0));
    });
  });
}

function canUseSocket(places: Places): boolean {
  const socket = path.join(places.home, `.s.PGSQL.${SOCKET_PORT}`);
  return process.platform !== 'win32' && Buffer.byteLength(socket) <= MAX_SOCKET_PATH;
}
