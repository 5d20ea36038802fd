import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { FaultName } from '../../src/providers/simulator/faults.ts';
import type { WireDialectName } from '../../src/providers/simulator/wire.ts';

/** One video that the upstream accepted: what would have to be paid. */
export interface Creation {
  id: string;
  idempotencyKey: string | null;
  prompt: string;
  seconds: number;
  size: string;
  acceptedAt: string;
  faults: FaultName[];
  replays: number;
  downloads: number;
  stopped: boolean;
  deleted: boolean;
}

export interface Ledger {
  created: number;
  duplicates: number;
  replays: number;
  refused: number;
  creations: Creation[];
}

export interface Counts {
  creates: number;
  stormed: number;
  reads: number;
  deletes: number;
  downloads: number;
}

/** The judge: a process of its own that is never killed. */
export interface Upstream {
  url: string;
  ledger(): Promise<Ledger>;
  counts(): Promise<Counts>;
  /** From now on, for so long, every creation is answered 429. */
  storm(ms: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startUpstream(
  options: { speed?: number; dialect?: WireDialectName } = {},
): Promise<Upstream> {
  const script = join(import.meta.dirname, 'upstream-main.ts');
  const args = [String(options.speed ?? 20), options.dialect ?? 'default'];
  const child = fork(script, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [url] = (await once(child, 'message')) as [string];
  const read = async <T>(path: string) => (await fetch(url + path)).json() as Promise<T>;
  return {
    url,
    ledger: () => read<Ledger>('/ledger'),
    counts: () => read<Counts>('/counts'),
    async storm(ms) {
      const headers = { 'content-type': 'application/json' };
      await fetch(`${url}/storm`, { method: 'POST', headers, body: JSON.stringify({ ms }) });
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}
