import type { ChildProcess } from 'node:child_process';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sleep, systemClock } from '../core/clock.ts';
import type { Binaries } from './embedded-binaries.ts';
import { type Launcher, launch } from './embedded-launcher.ts';
import type { Endpoint, Places } from './embedded-places.ts';
import { serverArguments } from './embedded-settings.ts';
import { DatabaseStartError } from './start-error.ts';

/** What a postmaster says about itself in its postmaster.pid. */
export interface PidFile {
  pid: number;
  /** Undefined until it listens. */
  endpoint: Endpoint | undefined;
  ready: boolean;
}

const POLL_MS = 5;
const MAX_LOG_BYTES = 1_000_000;

/** The data folder's postmaster.pid, or undefined when there is none. It is written line by line. */
export async function readPidFile(places: Places): Promise<PidFile | undefined> {
  const text = await readFile(places.pidFile, 'utf8').catch(() => '');
  const [pid, , , port, socketDir, address, , status] = text.split('\n').map((line) => line.trim());
  if (!pid) return undefined;
  let endpoint: Endpoint | undefined;
  if (socketDir) endpoint = { socketDir: places.home };
  // The port stands there from the first moment, with a socket too; only an address makes it one.
  else if (address) endpoint = { port: Number(port) };
  return { pid: Number(pid), endpoint, ready: status === 'ready' };
}

export interface LaunchOptions {
  places: Places;
  binaries: Binaries;
  launcher: Launcher;
  endpoint: Endpoint;
  settings: Readonly<Record<string, string>>;
  startTimeoutMs: number;
}

/**
 * Starts a postmaster and waits until it takes connections.
 * Resolves with `busy` when another one holds the data folder (or is just leaving it), `port taken` when it
 * has to be another port.
 * @throws DatabaseStartError `broken` with the end of its log for everything else.
 */
export async function launchPostmaster(
  options: LaunchOptions,
): Promise<ChildProcess | 'busy' | 'port taken'> {
  const { places, binaries, launcher, endpoint, settings } = options;
  await rotateLog(places.logFile);
  const output = await open(places.logFile, 'a', 0o600);
  const { size: before } = await output.stat();
  let child: ChildProcess;
  try {
    const args = serverArguments(places.cluster, endpoint, settings);
    child = launch(launcher, binaries.postgres, args, output.fd);
  } finally {
    await output.close();
  }
  let failure: unknown;
  child.once('error', (error) => (failure = error));
  const deadline = systemClock.now() + options.startTimeoutMs;
  while (child.exitCode === null && child.signalCode === null && failure === undefined) {
    const file = await readPidFile(places);
    if (file?.ready === true && file.pid === child.pid) return child;
    if (systemClock.now() > deadline) {
      child.kill('SIGQUIT');
      failure = `it was not ready after ${options.startTimeoutMs} ms`;
    } else await sleep(systemClock, POLL_MS);
  }
  // Let the exit's own listeners run first.
  await nextTurn();
  const said = (await readFile(places.logFile)).subarray(before).toString();
  if (/lock file ".*" (already exists|is empty)|pre-existing shared memory block/.test(said)) return 'busy';
  if (/could not bind|Address already in use/.test(said)) return 'port taken';
  throw new DatabaseStartError(
    'broken',
    `The embedded PostgreSQL in ${places.dataDir} did not start (${String(failure ?? child.signalCode ?? child.exitCode)}). It said:\n` +
      `${said.trim().slice(-2000)}\nIts log: ${places.logFile}`,
    failure,
  );
}

async function rotateLog(file: string): Promise<void> {
  const size = (await stat(file).catch(() => undefined))?.size ?? 0;
  if (size > MAX_LOG_BYTES) await rename(file, `${file}.1`);
}
