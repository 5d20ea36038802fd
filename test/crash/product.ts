import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { CrashSettings } from './crash-point.ts';
import { endsWithUs } from './leave-nothing.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const HOOK = join(import.meta.dirname, 'hook.ts');

export const API_KEY = 'crash-test-key';

export interface ProductOptions {
  name: string;
  env: Record<string, string>;
  hook: CrashSettings;
  logFile: string;
}

/** One process of the product, as users run it. */
export interface Product {
  name: string;
  pid: number;
  /** Resolves with its address once it serves; undefined when it ended before that. */
  ready: Promise<string | undefined>;
  /** Resolves when it is gone. */
  gone: Promise<unknown>;
  isAlive(): boolean;
  isPaused(): boolean;
  /** By a signal, and not of its own accord. */
  wasKilled(): boolean;
  signal(name: NodeJS.Signals): void;
}

export function startProduct(options: ProductOptions): Product {
  const child = spawn(process.execPath, ['--import', HOOK, 'src/main.ts'], {
    cwd: ROOT,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      PORT: '0',
      API_KEY,
      LOG_LEVEL: process.env['TEST_LOG'] ?? 'warn',
      CREATE_LIMIT_MAX: '1000000',
      RATE_LIMIT_MAX: '1000000',
      CRASH_TEST: JSON.stringify(options.hook),
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gone = once(child, 'exit');
  void gone.then(endsWithUs(child.pid));
  let paused = false;
  return {
    name: options.name,
    pid: child.pid ?? 0,
    ready: Promise.race([addressFrom(child, options.logFile), ended(gone)]),
    gone,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    isPaused: () => paused,
    wasKilled: () => child.signalCode !== null,
    signal(name) {
      if (name === 'SIGSTOP') paused = true;
      if (name === 'SIGCONT') paused = false;
      child.kill(name);
    },
  };
}

/** Everything it says goes to its log file; the address is read out of its banner. */
function addressFrom(child: ChildProcess, logFile: string): Promise<string> {
  const log = createWriteStream(logFile, { flags: 'a' });
  child.stderr?.pipe(log, { end: false });
  child.once('close', () => log.end());
  const { promise, resolve } = Promise.withResolvers<string>();
  if (!child.stdout) return promise;
  createInterface(child.stdout).on('line', (line) => {
    if (!log.writableEnded) log.write(`${line}\n`);
    const url = /(?:OpenAI base +|health at )(http:\/\/[^\s/]+)/.exec(line)?.[1];
    if (url !== undefined) resolve(url);
  });
  return promise;
}

async function ended(gone: Promise<unknown>): Promise<undefined> {
  await gone;
  return undefined;
}
