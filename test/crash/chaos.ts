import { setTimeout as pause } from 'node:timers/promises';
import type { Fleet } from './fleet.ts';
import type { Slot } from './slots.ts';
import type { Random } from './random.ts';
import type { TakeoverWatch } from './takeover.ts';
import type { Upstream } from './upstream.ts';

export interface ChaosOptions {
  fleet: Fleet;
  upstream: Upstream;
  watch: TakeoverWatch;
  random: Random;
  kills: number;
  /** Mean time between two strokes, in ms. */
  everyMs: number;
  say: (line: string) => void;
}

export interface Toll {
  kills: number;
  restarts: number;
  /** Ended without being killed, because the database went away or a start failed. */
  ownEnds: number;
  pauses: number;
  cuts: number;
  outages: number;
  storms: number;
  fullDisks: number;
}

/** Longer than a silent worker is waited for. */
const PAUSE_MS = { min: 13_000, max: 20_000 };
const STORM_MS = { min: 2000, max: 6000 };
const FULL_DISK_MS = { min: 500, max: 4000 };
const OUTAGE_MS = { min: 200, max: 3000 };

/** After so many ends of its own a process is given up: it cannot start. */
const MAX_OWN_ENDS = 8;

/** Kills, and now and then something else, until the number is reached. Then everything runs again. */
export async function unleash(options: ChaosOptions): Promise<Toll> {
  const { fleet, random, say, watch } = options;
  const toll: Toll = {
    kills: 0,
    restarts: 0,
    ownEnds: 0,
    pauses: 0,
    cuts: 0,
    outages: 0,
    storms: 0,
    fullDisks: 0,
  };
  const over = new AbortController();
  const pauses = new Set<Promise<void>>();
  const delays = random.fork('delays');

  /** Starts a process again whenever it has ended, as a supervisor would. */
  async function keepUp(slot: Slot): Promise<void> {
    let ownEnds = 0;
    for (;;) {
      const { product } = slot;
      await Promise.race([product?.gone, aborted(over.signal)]);
      if (over.signal.aborted) return;
      const wasKilled = product?.wasKilled() === true;
      ownEnds = wasKilled ? 0 : ownEnds + 1;
      if (!wasKilled) toll.ownEnds += 1;
      if (ownEnds > MAX_OWN_ENDS) throw new Error(`${slot.name} does not start any more: see its log`);
      await pause(delays.int(0, 600));
      toll.restarts += 1;
      void fleet.start(slot);
    }
  }

  async function kill(slot: Slot): Promise<void> {
    if (!slot.product?.isAlive()) return;
    await fleet.kill(slot);
    toll.kills += 1;
    void watch
      .died(slot.claimsFile, fleet.mode === 'one')
      .catch((error: unknown) => say(`cannot watch: ${String(error)}`));
    if (toll.kills % 25 === 0) say(`${toll.kills} kills`);
  }

  async function freeze(slot: Slot, ms: number): Promise<void> {
    const { product } = slot;
    if (!product?.isAlive() || product.isPaused()) return;
    product.signal('SIGSTOP');
    toll.pauses += 1;
    await pause(ms);
    if (product.isAlive() && product.isPaused()) product.signal('SIGCONT');
  }

  async function stroke(): Promise<void> {
    const slot = random.pick(fleet.slots);
    const what = random.fraction();
    const pauseMs = random.int(PAUSE_MS.min, PAUSE_MS.max);
    const stormMs = random.int(STORM_MS.min, STORM_MS.max);
    const fullMs = random.int(FULL_DISK_MS.min, FULL_DISK_MS.max);
    const outageMs = random.int(OUTAGE_MS.min, OUTAGE_MS.max);
    if (what < 0.04) {
      toll.cuts += 1;
      await fleet.window.cutConnections();
    } else if (what < 0.08) {
      toll.storms += 1;
      await options.upstream.storm(stormMs);
    } else if (what < 0.1 && fleet.database) {
      toll.outages += 1;
      await fleet.breakDatabase(outageMs);
    } else if (what < 0.13) {
      toll.fullDisks += 1;
      await fleet.fillDisk(fullMs);
    } else if (what < 0.23 && slot.role === 'worker') {
      const frozen = freeze(slot, pauseMs).finally(() => pauses.delete(frozen));
      pauses.add(frozen);
    } else await kill(slot);
  }

  const keepers = Promise.all(fleet.slots.map((slot) => keepUp(slot)));
  async function strike(): Promise<void> {
    while (toll.kills < options.kills) {
      await pause(random.gap(options.everyMs));
      await stroke();
    }
    await Promise.all(pauses);
  }
  await Promise.race([strike(), keepers]);
  over.abort();
  await keepers;
  await fleet.startAll();
  return toll;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
