import { MessageChannel } from 'node:worker_threads';

/**
 * Runs work that must not be cut short by an empty event loop: the clock's timers do not keep the process
 * alive, and while a server is waited for there may be nothing else.
 */
export async function keepAliveDuring<T>(work: () => Promise<T>): Promise<T> {
  const { port1, port2 } = new MessageChannel();
  port1.ref();
  try {
    return await work();
  } finally {
    port1.close();
    port2.close();
  }
}
