import { existsSync, readFileSync, rmSync } from 'node:fs';

/**
 * Whatever ends the harness (an error, Ctrl-C), nothing it started stays behind: processes by their id, PostgreSQL by
 * its pid file, since it outlives a product that is killed.
 */
const pids = new Set<number>();
const pidFiles = new Set<string>();
const folders = new Set<string>();
let installed = false;

const TRIES = 30;
const RETRY_MS = 100;

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

function clean(): void {
  for (const pid of pids) kill(pid, 'SIGKILL');
  for (const file of pidFiles) {
    const pid = readPid(file);
    // Immediate shutdown: nobody will read this database again.
    if (pid !== undefined) kill(pid, 'SIGQUIT');
  }
  for (const folder of folders) remove(folder);
}

/** What was just killed may still be about to write: tried until it stays away. Nothing else can run any more. */
function remove(folder: string): void {
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Not empty after all.
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    if (!existsSync(folder)) return;
  }
}

function readPid(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8').split('\n')[0]) || undefined;
  } catch {
    return undefined;
  }
}

function install(): void {
  if (installed) return;
  installed = true;
  process.on('exit', clean);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      clean();
      process.kill(process.pid, signal);
    });
}

/** A process to be killed at the end; the returned function says that it is gone. */
export function endsWithUs(pid: number | undefined): () => void {
  install();
  if (pid === undefined) return () => {};
  pids.add(pid);
  return () => void pids.delete(pid);
}

/** The postmaster.pid of a PostgreSQL that is to be stopped at the end, and the folder that goes with it. */
export function databaseEndsWithUs(pidFile: string, folder: string): () => void {
  install();
  pidFiles.add(pidFile);
  folders.add(folder);
  return () => {
    pidFiles.delete(pidFile);
    folders.delete(folder);
  };
}
