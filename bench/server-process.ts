import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KEY } from './bench-app.ts';
import { ROOT } from './machine.ts';
import { freePort } from './ports.ts';

const START_LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 5;

export interface ServerProcess {
  pid: number;
  address: string;
  /** From the spawn to the first connection that was taken. */
  startedInMs: number;
  /** Resolves when it and its PostgreSQL are gone. */
  stop(): Promise<void>;
}

/** The server as `npm start` starts it, in a process of its own. */
export async function startServerProcess(
  dataDir: string,
  env: Record<string, string> = {},
): Promise<ServerProcess> {
  const port = await freePort();
  const log = await open(`${dataDir}.log`, 'a');
  const spawnedAt = performance.now();
  const child = spawn(process.execPath, await startArguments(), {
    // Not the caller's settings: whoever runs this may have a .env or an environment of their own.
    cwd: ROOT,
    env: { PATH: process.env['PATH'], DATA_DIR: dataDir, API_KEY: KEY, PORT: String(port), ...env },
    stdio: ['ignore', log.fd, log.fd],
  });
  await log.close();
  await untilListening(port, child);
  return {
    pid: child.pid ?? 0,
    address: `http://127.0.0.1:${port}`,
    startedInMs: performance.now() - spawnedAt,
    async stop() {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

/** What `npm start` gives to `node`: its flags are part of what is measured. */
async function startArguments(): Promise<string[]> {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: { start: string };
  };
  const [program, ...rest] = scripts.start.split(' ');
  if (program !== 'node') throw new Error(`npm start is expected to run node, not ${program}`);
  return rest;
}

/** Waits until the port takes connections; throws when the process ends first. */
export async function untilListening(
  port: number,
  child: ChildProcess,
  limitMs = START_LIMIT_MS,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await takesConnections(port))) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error('the server ended at its start');
    if (performance.now() > deadline) {
      child.kill();
      throw new Error(`the server does not listen after ${limitMs} ms`);
    }
    await sleep(LOOK_EVERY_MS);
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
