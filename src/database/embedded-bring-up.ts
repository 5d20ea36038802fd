import type { ChildProcess } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { sleep, systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Binaries } from './embedded-binaries.ts';
import { clusterExists, createCluster, giveTo, removeDrafts } from './embedded-cluster.ts';
import { chooseLauncher, type Launcher } from './embedded-launcher.ts';
import { chooseEndpoint } from './embedded-endpoint.ts';
import { type Endpoint, type Places, urlOf } from './embedded-places.ts';
import { launchPostmaster, type PidFile, readPidFile } from './embedded-postmaster.ts';
import { stopPostmaster } from './embedded-stop.ts';
import { type DataDirLock, takeLock } from './lock.ts';
import { isPostmasterOf } from './process-alive.ts';
import { DatabaseStartError } from './start-error.ts';

export interface BringUpOptions {
  places: Places;
  binaries: Binaries;
  log: Log;
  /** How long another process may still hold the DATA_DIR before this one gives up, in ms. */
  lockWaitMs: number;
  /** How long PostgreSQL may take to come up, which after a crash includes replaying its log, in ms. */
  startTimeoutMs: number;
  settings: Readonly<Record<string, string>>;
  /** False skips flushing a fresh database to disk; for tests. */
  durable: boolean;
  /** Listen on a loopback port even where a socket could be used. */
  preferPort: boolean;
}

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
const MAX_LAUNCHES = 3;

/**
 * Brings up the PostgreSQL of a DATA_DIR, however it finds it: missing, at rest, crashed, left running by a
 * killed process, in use, or being brought up by another process at this moment.
 * @throws DatabaseStartError `locked` when another process has it.
 */
export async function bringUp(options: BringUpOptions, former?: Endpoint): Promise<Running> {
  const { places, binaries } = options;
  await mkdir(places.dataDir, { recursive: true });
  const startedAt = systemClock.now();
  let endpoint = former;
  let launcher: Launcher | undefined;
  let child: ChildProcess | undefined;
  let launches = 0;
  try {
    for (;;) {
      if (!(await clusterExists(places, binaries))) {
        launcher ??= await chooseLauncher(binaries, places);
        await createCluster(places, binaries, launcher, options.durable);
      }
      const password = await readPassword(places);
      const left = (limitMs: number) => startedAt + limitMs - systemClock.now();
      const file = await readPidFile(places);
      let patienceMs = options.lockWaitMs;
      if (file !== undefined && (await mayAnswer(places, file))) {
        const attempt = await takeLock(urlOf(file.endpoint, password, 'postgres'), left(options.lockWaitMs));
        if (attempt.state === 'held') {
          const running = { ...file, child, launcher, password, lock: attempt.lock };
          await prepare(running, places);
          return running;
        }
        if (attempt.state === 'taken') throw locked(places, attempt.holder);
        if (attempt.state === 'not yet') patienceMs = options.startTimeoutMs;
        else child = undefined;
      }
      if (patienceMs === options.lockWaitMs) {
        launcher ??= await chooseLauncher(binaries, places);
        // Never under a live server, such as one that another process is just starting.
        if (file === undefined || !(await isPostmasterOf(places.cluster, file.pid)))
          await giveTo(launcher, places.home);
        endpoint ??= await chooseEndpoint(places, options.preferPort);
        const result = await launchPostmaster({ ...options, launcher, endpoint });
        if (typeof result === 'object') {
          child = result;
          launches += 1;
          if (launches > MAX_LAUNCHES) throw shortLived(places);
          continue;
        }
        if (result === 'port taken' && former === undefined) endpoint = undefined;
        if (result === 'port taken' && former !== undefined && left(patienceMs) < 0) throw portTaken(former);
      }
      if (left(patienceMs) < 0) throw locked(places, `pid ${file?.pid ?? 'unknown'}, a PostgreSQL server`);
      await sleep(systemClock, RETRY_MS);
    }
  } catch (error) {
    if (child?.pid !== undefined) await leave(child, child.pid, error);
    throw error;
  }

  /** A server we started for nothing is stopped, unless another process has taken it over by now. */
  async function leave(started: ChildProcess, pid: number, error: unknown): Promise<void> {
    if (error instanceof DatabaseStartError && error.failure === 'locked') started.unref();
    else await stopPostmaster(places, binaries, launcher, { pid, child: started }, options.log);
  }
}

/** A port named in a stale file may be another program's by now; a socket in our own folder cannot. */
async function mayAnswer(places: Places, file: PidFile): Promise<boolean> {
  return 'socketDir' in file.endpoint || isPostmasterOf(places.cluster, file.pid);
}

async function prepare({ lock }: Running, places: Places): Promise<void> {
  await removeDrafts(places);
  const { rowCount } = await lock.client.query(`select from pg_database where datname = 'sora'`);
  if (rowCount === 0) await lock.client.query('create database sora');
}

async function readPassword(places: Places): Promise<string> {
  try {
    return (await readFile(places.passwordFile, 'utf8')).trim();
  } catch (error) {
    throw new DatabaseStartError(
      'broken',
      `The password of the embedded PostgreSQL is missing: ${places.passwordFile} cannot be read.`,
      error,
    );
  }
}

function locked(places: Places, holder: string): DatabaseStartError {
  return new DatabaseStartError(
    'locked',
    `Another Sora Studio (${holder}) is using DATA_DIR ${places.dataDir}. ` +
      'Stop it first, or give this one a DATA_DIR (and a PORT) of its own.',
  );
}

function shortLived(places: Places): DatabaseStartError {
  return new DatabaseStartError(
    'broken',
    `The embedded PostgreSQL ends again and again right after its start. Its log: ${places.logFile}`,
  );
}

function portTaken(endpoint: Endpoint): DatabaseStartError {
  const where = 'port' in endpoint ? `port ${endpoint.port}` : endpoint.socketDir;
  return new DatabaseStartError(
    'broken',
    `Another program now listens at PostgreSQL's former address (${where}).`,
  );
}
