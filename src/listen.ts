import type { AddressInfo } from 'node:net';
import type { Config } from './config.ts';
import type { Server } from './http/server.ts';
import { StartError } from './start-error.ts';

/** Throws a `StartError` that says what to do when the address cannot be had. */
export async function listen(server: Server, { host, port }: Config['http']): Promise<void> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const hint =
      code === 'EADDRINUSE'
        ? 'Something else listens there: set PORT to another port.'
        : 'Set HOST and PORT.';
    throw new StartError(`Cannot listen on ${host}:${port} (${message}). ${hint}`, error);
  }
}

/** Where a listening server is reached from this machine. */
export function addressOf(server: Server, host: string): string {
  const { port } = server.server.address() as AddressInfo;
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`;
}
