import { sleep, systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { findBinaries } from './embedded-binaries.ts';
import { bringUp, type Running } from './embedded-bring-up.ts';
import { placesIn, urlOf } from './embedded-places.ts';
import type { BringUpOptions } from './embedded-starter.ts';
import { hasEnded, stopPostmaster } from './embedded-stop.ts';
import { keepAliveDuring } from './keep-alive.ts';
import { takeLock } from './lock.ts';

export interface EmbeddedOptions {
  /** Made if missing. Its folder `postgres` holds the database, `postgres.log` what the server says. */
  dataDir: string;
  log: Log;
  /** Called once when PostgreSQL has ended without `stop`, or the lock on DATA_DIR went to another process. */
  onExit?: (reason: string) => void;
  /** How long another process may still hold the DATA_DIR before this one gives up, in ms (10,000). */
  lockWaitMs?: number;
  /** How long PostgreSQL may take to come up, replaying its log included, in ms (120,000). */
  startTimeoutMs?: number;
  /** PostgreSQL settings that differ from ours, by their names. */
  settings?: Readonly<Record<string, string>>;
  /** False skips flushing a fresh database to disk: for tests. */
  durable?: boolean;
  /** Listen on a loopback port even where a Unix socket could be used. */
  preferPort?: boolean;
}

/** The PostgreSQL of a DATA_DIR, used by this process alone. */
export interface Embedded {
  /** Connection string of the superuser `sora` for the database `sora`. Stays the same over a restart. */
  url: string;
  /** The postmaster's process id, or undefined after it has ended. */
  pid: () => number | undefined;
  /** Whether it was found running, left behind by a process that was killed. */
  adopted: boolean;
  /** Starts it again at the same address after `onExit`; does nothing while it runs. Errors as the first start. */
  restart: () => Promise<void>;
  /** Stops it, adopted or not, and resolves when it is gone and the DATA_DIR free. May be called twice. */
  stop: () => Promise<void>;
}

interface State {
  /** Undefined after PostgreSQL was lost or stopped. */
  current: Running | undefined;
  stopping: Promise<void> | undefined;
  restarting: Promise<void> | undefined;
}

const RELOCK_WAIT_MS = 5_000;
const RETRY_MS = 20;

/**
 * Starts (or adopts) the PostgreSQL of a DATA_DIR and locks the DATA_DIR.
 * @throws DatabaseStartError with what to do: `locked`, `unsupported` or `broken`.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { log } = options;
  const bringUpOptions: BringUpOptions = {
    places: placesIn(options.dataDir),
    binaries: await findBinaries(),
    log,
    lockWaitMs: options.lockWaitMs ?? 10_000,
    startTimeoutMs: options.startTimeoutMs ?? 120_000,
    settings: options.settings ?? {},
    durable: options.durable ?? true,
    preferPort: options.preferPort ?? false,
  };
  const { places, binaries } = bringUpOptions;
  const first = await keepAliveDuring(() => bringUp(bringUpOptions));
  const state: State = { current: first, stopping: undefined, restarting: undefined };
  watch(first);
  const adopted = first.child === undefined;
  log.info({ pid: first.pid, adopted, way: first.launcher?.way }, 'embedded PostgreSQL is up');

  function watch(running: Running): void {
    void running.lock.lost.then(() => keepAliveDuring(() => relock(running)));
  }

  /** The lock's connection ends with the server, but also when an operator or a server crash cuts it. */
  async function relock(running: Running): Promise<void> {
    const deadline = systemClock.now() + RELOCK_WAIT_MS;
    for (;;) {
      if (state.stopping !== undefined || state.current !== running) return;
      if (await hasEnded(places, running)) return giveUp('the embedded PostgreSQL has ended');
      const attempt = await takeLock(urlOf(running.endpoint, running.password, 'postgres'), RELOCK_WAIT_MS);
      if (attempt.state === 'held') {
        log.warn({ pid: running.pid }, 'the connection that locks DATA_DIR was lost and is back');
        state.current = { ...running, lock: attempt.lock };
        return watch(state.current);
      }
      if (attempt.state === 'taken') return giveUp(`DATA_DIR was taken over (${attempt.holder})`);
      if (attempt.state === 'absent' && systemClock.now() > deadline)
        return giveUp('the embedded PostgreSQL does not answer');
      await sleep(systemClock, RETRY_MS);
    }
  }

  function giveUp(reason: string): void {
    state.current = undefined;
    log.error({ reason, logFile: places.logFile }, 'embedded PostgreSQL is lost');
    options.onExit?.(reason);
  }

  async function restart(): Promise<void> {
    if (state.current !== undefined || state.stopping !== undefined) return;
    const running = await keepAliveDuring(() => bringUp(bringUpOptions, first.endpoint));
    state.current = running;
    watch(running);
    log.info({ pid: running.pid }, 'embedded PostgreSQL is up again');
  }

  async function stop(): Promise<void> {
    await state.restarting?.catch(() => {});
    if (state.current === undefined) return;
    const { launcher, lock } = state.current;
    // The lock is kept until the server is gone: whoever waits for it must not get a server about to stop.
    await keepAliveDuring(() => stopPostmaster(places, binaries, launcher, state.current ?? first, log));
    await lock.client.end().catch(() => {});
    state.current = undefined;
  }

  return {
    url: urlOf(first.endpoint, first.password, 'sora'),
    pid: () => state.current?.pid,
    adopted,
    restart: () => (state.restarting ??= restart().finally(() => (state.restarting = undefined))),
    stop: () => (state.stopping ??= stop()),
  };
}
