import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Embedded } from '../../src/database/embedded.ts';
import type { CrashPoint } from './crash-point.ts';
import { placesIn } from '../../src/database/embedded-places.ts';
import { embeddedUrl, openWindow, startDatabase, stopPostgres, type Window } from './database.ts';
import { databaseEndsWithUs } from './leave-nothing.ts';
import { startProduct } from './product.ts';
import { type Mode, type Slot, type SlotOptions, slotsOf } from './slots.ts';

export interface FleetOptions extends SlotOptions {
  env: Record<string, string>;
}

/** The product: one process with its embedded database, or several on one database. */
export interface Fleet {
  mode: Mode;
  slots: Slot[];
  dataDir: string;
  window: Window;
  /** The shared database, in mode `several`. */
  database: Embedded | undefined;
  /** Starts what a slot holds; resolves when it serves, or has ended. */
  start(slot: Slot, point?: { point: CrashPoint; firedFile: string }): Promise<void>;
  startAll(): Promise<void>;
  /** Resolves when it is gone. */
  kill(slot: Slot, signal?: NodeJS.Signals): Promise<void>;
  /** Addresses that serve the API right now. */
  addresses(): string[];
  /** Kills the shared PostgreSQL and brings it back after a while. */
  breakDatabase(ms: number): Promise<void>;
  /** For a while nothing can be written to files. */
  fillDisk(ms: number): Promise<void>;
  stop(): Promise<void>;
}

/** An orderly end takes no longer. */
const PATIENCE_MS = 20_000;

export async function createFleet(options: FleetOptions): Promise<Fleet> {
  const { mode, dir } = options;
  const dataDir = join(dir, 'data');
  await mkdir(join(dir, 'logs'), { recursive: true });
  await mkdir(dataDir, { recursive: true });
  const fullDiskFile = join(dir, 'disk-is-full');
  const pidFile = placesIn(mode === 'several' ? join(dir, 'database') : dataDir).pidFile;
  const release = databaseEndsWithUs(pidFile, dir);
  const database = mode === 'several' ? await startDatabase(dir) : undefined;
  const window = openWindow(async () => database?.url ?? (await embeddedUrl(dataDir)));

  const slots = slotsOf(options);

  async function start(slot: Slot, point?: { point: CrashPoint; firedFile: string }): Promise<void> {
    const product = startProduct({
      name: slot.name,
      env: {
        ...options.env,
        DATA_DIR: dataDir,
        ROLE: slot.role,
        ...(database ? { DATABASE_URL: database.url } : {}),
      },
      hook: { claimsFile: slot.claimsFile, fullDiskFile, clockMs: slot.clockMs, ...point },
      logFile: join(dir, 'logs', `${slot.name}.log`),
    });
    slot.product = product;
    slot.url = undefined;
    const url = await product.ready;
    if (slot.product === product && product.isAlive()) slot.url = url;
    else if (slot.product === product) slot.url = undefined;
  }

  const fleet: Fleet = {
    mode,
    slots,
    dataDir,
    window,
    database,
    start,
    async startAll() {
      for (const slot of slots) {
        for (let tries = 0; !slot.product?.isAlive(); tries += 1) {
          if (tries > 3) throw new Error(`${slot.name} does not start: see its log`);
          await start(slot);
        }
        await slot.product.ready;
      }
    },
    async kill(slot, signal = 'SIGKILL') {
      const { product } = slot;
      if (!product?.isAlive()) return;
      slot.url = undefined;
      product.signal(signal);
      if (signal === 'SIGKILL') return void (await product.gone);
      // A paused one, even if it paused itself, has to be awake for it.
      product.signal('SIGCONT');
      await Promise.race([product.gone, pause(PATIENCE_MS, undefined, { ref: false })]);
      if (product.isAlive()) product.signal('SIGKILL');
      await product.gone;
    },
    async breakDatabase(ms) {
      const pid = database?.pid();
      if (!database || pid === undefined) return;
      process.kill(pid, 'SIGKILL');
      await pause(ms);
      while (database.pid() === pid || database.pid() === undefined) {
        await database.restart();
        await pause(50);
      }
    },
    async fillDisk(ms) {
      await writeFile(fullDiskFile, '');
      await pause(ms);
      await rm(fullDiskFile, { force: true });
    },
    addresses: () =>
      slots.flatMap(({ url, role, product }) =>
        url !== undefined && role !== 'worker' && product?.isAlive() && !product.isPaused() ? [url] : [],
      ),
    async stop() {
      await window.close();
      await Promise.all(slots.map((slot) => fleet.kill(slot, 'SIGTERM')));
      await database?.stop();
      // A product that was killed leaves its PostgreSQL running.
      await stopPostgres(pidFile);
      release();
    },
  };
  return fleet;
}
