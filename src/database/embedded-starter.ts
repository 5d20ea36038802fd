import type { ChildProcess } from 'node:child_process';
import { systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Binaries } from './embedded-binaries.ts';
import { createCluster, giveTo } from './embedded-cluster.ts';
import { chooseEndpoint } from './embedded-endpoint.ts';
import { portTaken, shortLived } from './embedded-errors.ts';
import { chooseLauncher, type Launcher } from './embedded-launcher.ts';
import type { Endpoint, Places } from './embedded-places.ts';
import { launchPostmaster, type PidFile } from './embedded-postmaster.ts';
import { disownReusedPid } from './embedded-stale-lock.ts';
import { isPostmasterOf } from './process-alive.ts';

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

/** Everything that needs to run PostgreSQL's programs; how to run them is found out when first needed. */
export interface Starter {
  createCluster: () => Promise<void>;
  /** Starts a postmaster and keeps it as `child`; false when that has to be tried again a little later. */
  launch: (file: PidFile | undefined) => Promise<boolean>;
  child: ChildProcess | undefined;
  launcher: Launcher | undefined;
}

const MAX_LAUNCHES = 3;
const MAX_PORTS = 5;
/** A postmaster that another process starts is recognisable well within this time. */
const DISOWN_AFTER_MS = 500;

/** `former` is the address to come back to, when the server was there before. */
export function createStarter(options: BringUpOptions, former: Endpoint | undefined): Starter {
  const { places, binaries } = options;
  const starter: Starter = { createCluster: create, launch, child: undefined, launcher: undefined };
  let endpoint = former;
  let launches = 0;
  let portsTaken = 0;
  let busySince: number | undefined;

  async function findLauncher(): Promise<Launcher> {
    return (starter.launcher ??= await chooseLauncher(binaries, places));
  }

  async function create(): Promise<void> {
    await createCluster(places, binaries, await findLauncher(), options.durable);
  }

  async function launch(file: PidFile | undefined): Promise<boolean> {
    const launcher = await findLauncher();
    // Never under a live server, such as one that another process is just starting.
    if (file === undefined || !(await isPostmasterOf(places.cluster, file.pid)))
      await giveTo(launcher, places.home);
    endpoint ??= await chooseEndpoint(places, options.preferPort);
    const result = await launchPostmaster({ ...options, launcher, endpoint });
    if (result === 'busy') {
      busySince ??= systemClock.now();
      if (systemClock.now() - busySince >= DISOWN_AFTER_MS) await disownReusedPid(places);
      return false;
    }
    if (result === 'port taken') {
      portsTaken += 1;
      if (portsTaken > MAX_PORTS) throw portTaken(endpoint);
      endpoint = former;
      return false;
    }
    launches += 1;
    if (launches > MAX_LAUNCHES) throw shortLived(places);
    starter.child = result;
    return true;
  }

  return starter;
}
