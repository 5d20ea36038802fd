import { createServer } from 'node:net';

const FIRST = 4400;
const LAST = 4499;
let next = FIRST;

/** A port on the loopback address that nobody listens on right now; each call another one. */
export async function freePort(): Promise<number> {
  while (next <= LAST) {
    const port = next;
    next += 1;
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${FIRST} to ${LAST}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
