import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { CLIPS_VARIABLE } from './test-env.ts';

export interface Ledger {
  created: number;
  duplicates: number;
  creations: { prompt: string; key: string | null }[];
}

export interface RunningSimulator {
  url: string;
  /** What it has accepted: the judge of what was asked for twice. */
  ledger(): Promise<Ledger>;
}

/** The simulator as users run it: a process of its own on a free port. */
export async function startSimulator(args: string[] = []): Promise<RunningSimulator> {
  const shared = process.env[CLIPS_VARIABLE];
  const cache = shared ?? (await mkdtemp(join(tmpdir(), 'sora-simulator-')));
  const script = join(import.meta.dirname, '..', 'src', 'providers', 'simulator', 'serve.ts');
  const child = spawn(process.execPath, [script, '--port', '0', '--cache', cache, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    if (shared === undefined) await rm(cache, { recursive: true, force: true });
  });
  for await (const line of createInterface(child.stdout)) {
    const url = /http:\/\/[\d.]+:\d+/.exec(line)?.[0];
    if (url === undefined) continue;
    child.stdout.resume();
    return { url, ledger: async () => (await fetch(`${url}/ledger`)).json() as Promise<Ledger> };
  }
  throw new Error('the simulator did not start');
}
