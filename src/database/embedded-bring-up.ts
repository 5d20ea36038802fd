import type { ChildProcess } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { sleep, systemClock } from '../core/clock.ts';
import { clusterExists, removeDrafts } from './embedded-cluster.ts';
import { locked, withoutPassword } from './embedded-errors.ts';
import type { Launcher } from './embedded-launcher.ts';
import { type Endpoint, type Places, urlOf } from './embedded-places.ts';
import { type PidFile, readPidFile } from './embedded-postmaster.ts';
import { type BringUpOptions, createStarter, type Starter } from './embedded-starter.ts';
import { stopPostmaster } from './embedded-stop.ts';
import { type DataDirLock, type LockAttempt, takeLock } from './lock.ts';
import { isPostmasterOf } from './process-alive.ts';
import { DatabaseStartError } from './start-error.ts';

/** A running PostgreSQL whose DATA_DIR is locked by this process. */
export interface Running {
  pid: number;
  /** Undefined when another process started it. */
  child: ChildProcess | undefined;
  launcher: Launcher | undefined;
  endpoint: Endpoint;
  password: string;
  lock: DataDirLock;
}

const RETRY_MS = 25;
/** Long enough to find out that a lock file is a dead server's, even for a caller that does not want to wait. */
const MIN_PATIENCE_MS = 1_500;

/**
 * Brings up the PostgreSQL of a DATA_DIR, however it finds it: missing, at rest, crashed, left running by a
 * killed process, in use, or being brought up by another process at this moment.
 * @throws DatabaseStartError `locked` when another process has it.
 */
export async function bringUp(options: BringUpOptions, former?: Endpoint): Promise<Running> {
  const { places, binaries } = options;
  await mkdir(places.dataDir, { recursive: true });
  const starter = createStarter(options, former);
  const startedAt = systemClock.now();
  const left = (limitMs: number) => startedAt + limitMs - systemClock.now();
  try {
    for (;;) {
      if (!(await clusterExists(places, binaries))) await starter.createCluster();
      const password = await readPassword(places);
      const file = await readPidFile(places);
      const attempt = await askForLock(places, file, password, left(options.lockWaitMs));
      if (attempt.state === 'taken') throw locked(places, attempt.holder);
      if (attempt.state === 'held') return await prepare(places, starter, { ...attempt, password });
      const absent = attempt.state === 'absent';
      if (absent && (await starter.launch(file))) continue;
      const patienceMs = absent ? Math.max(options.lockWaitMs, MIN_PATIENCE_MS) : options.startTimeoutMs;
      if (left(patienceMs) < 0) throw locked(places, `pid ${file?.pid ?? 'unknown'}, a PostgreSQL server`);
      await sleep(systemClock, RETRY_MS);
    }
  } catch (error) {
    await abandon(options, starter, error);
    throw error;
  }
}

type Answer = Exclude<LockAttempt, { state: 'held' }> | (Held & { state: 'held' });
type Held = { lock: DataDirLock; pid: number; endpoint: Endpoint };

/** Asks the server that postmaster.pid speaks of, if there is one. */
async function askForLock(
  places: Places,
  file: PidFile | undefined,
  password: string,
  waitMs: number,
): Promise<Answer> {
  if (file?.endpoint === undefined) return { state: 'absent' };
  const { pid, endpoint } = file;
  // A port named in a stale file may be another server's by now; a socket in our own folder cannot.
  const byPort = 'port' in endpoint;
  if (byPort && !(await isPostmasterOf(places.cluster, pid))) return { state: 'absent' };
  const attempt = await takeLock(urlOf(endpoint, password, 'postgres'), waitMs);
  return attempt.state === 'held' ? { ...attempt, pid, endpoint } : attempt;
}

async function prepare(
  places: Places,
  { child, launcher }: Starter,
  { pid, endpoint, password, lock }: Held & { password: string },
): Promise<Running> {
  await removeDrafts(places);
  const { rowCount } = await lock.client.query(`select from pg_database where datname = 'sora'`);
  if (rowCount === 0) await lock.client.query('create database sora');
  return { pid, endpoint, password, lock, launcher, child: child?.pid === pid ? child : undefined };
}

/** A server that was started for nothing is stopped, unless another process has taken it over by now. */
async function abandon(options: BringUpOptions, { child, launcher }: Starter, error: unknown): Promise<void> {
  if (child?.pid === undefined) return;
  if (error instanceof DatabaseStartError && error.failure === 'locked') return child.unref();
  await stopPostmaster(options.places, options.binaries, launcher, { pid: child.pid, child }, options.log);
}

async function readPassword(places: Places): Promise<string> {
  try {
    return (await readFile(places.passwordFile, 'utf8')).trim();
  } catch (error) {
    throw withoutPassword(places, error);
  }
}
