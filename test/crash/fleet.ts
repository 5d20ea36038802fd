import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Embedded } from '../../src/database/embedded.ts';
import type { CrashPoint } from './crash-point.ts';
import { embeddedUrl, openWindow, startDatabase, type Window } from './database.ts';
import { type Product, startProduct } from './product.ts';

export type Mode = 'one' | 'several';

export interface FleetOptions {
  mode: Mode;
  /** Everything of the run lies here. */
  dir: string;
  env: Record<string, string>;
  apis?: number;
  workers?: number;
}

/** A place for one process, which is started again and again. */
export interface Slot {
  name: string;
  role: 'all' | 'api' | 'worker';
  product: Product | undefined;
  url: string | undefined;
  claimsFile: string;
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
  stop(): Promise<void>;
}

export async function createFleet(options: FleetOptions): Promise<Fleet> {
  const { mode, dir } = options;
  const dataDir = join(dir, 'data');
  await mkdir(join(dir, 'logs'), { recursive: true });
  await mkdir(dataDir, { recursive: true });
  const database = mode === 'several' ? await startDatabase(dir) : undefined;
  const window = openWindow(async () => database?.url ?? (await embeddedUrl(dataDir)));

  function slot(name: string, role: Slot['role']): Slot {
    return {
      name,
      role,
      product: undefined,
      url: undefined,
      claimsFile: join(dir, 'logs', `${name}.claims`),
    };
  }
  const slots =
    mode === 'one'
      ? [slot('all', 'all')]
      : [
          ...Array.from({ length: options.apis ?? 2 }, (_, index) => slot(`api-${index + 1}`, 'api')),
          ...Array.from({ length: options.workers ?? 3 }, (_, index) =>
            slot(`worker-${index + 1}`, 'worker'),
          ),
        ];

  async function start(slot: Slot, point?: { point: CrashPoint; firedFile: string }): Promise<void> {
    const product = startProduct({
      name: slot.name,
      env: {
        ...options.env,
        DATA_DIR: dataDir,
        ROLE: slot.role,
        ...(database ? { DATABASE_URL: database.url } : {}),
      },
      hook: { claimsFile: slot.claimsFile, ...point },
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
      if (signal !== 'SIGKILL' && product.isPaused()) product.signal('SIGCONT');
      product.signal(signal);
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
    addresses: () =>
      slots.flatMap(({ url, role, product }) =>
        url !== undefined && role !== 'worker' && product?.isAlive() && !product.isPaused() ? [url] : [],
      ),
    async stop() {
      await window.close();
      await Promise.all(slots.map((slot) => fleet.kill(slot, 'SIGTERM')));
      await database?.stop();
      await pause(50);
    },
  };
  return fleet;
}
