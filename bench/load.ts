import { fork } from 'node:child_process';
import { join } from 'node:path';

/** Requests for a client in a process of its own, so that it does not share the server's event loop. */
export interface LoadOptions {
  url: string;
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
  body?: string;
  /** Paths to take turns with; unset: that of the URL. */
  paths?: string[];
  connections: number;
  durationSeconds: number;
  /** As fast as answers come, or so many requests per second at even intervals whatever comes back. */
  rate?: number;
}

export interface LoadResult {
  requests: number;
  perSecond: number;
  latencyMs: { p50: number; p99: number; max: number };
}

/** Throws when a single answer was not a success. */
export function runLoad(options: LoadOptions): Promise<LoadResult> {
  const client = options.rate === undefined ? 'client-full.ts' : 'client-steady.ts';
  const child = fork(join(import.meta.dirname, client), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  return new Promise((resolve, reject) => {
    child.once('message', (message) => {
      const { failures, ...result } = message as LoadResult & { failures: number };
      if (failures > 0) reject(new Error(`${failures} requests to ${options.url} failed`));
      else resolve(result);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the client ended with ${code}`)));
    child.send(options);
  });
}
