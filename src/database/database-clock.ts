import { sql } from 'kysely';
import { type Clock, monotonicClock, systemClock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Loop, startLoop } from '../core/loop.ts';
import { createSharedClock, type SharedClock } from '../core/shared-clock.ts';
import type { Database } from './open.ts';

export interface DatabaseClockOptions {
  db: Database;
  /** Tests bring their own; else time is counted by the monotonic clock of this process. */
  local?: Clock | undefined;
  /** Time of a database that a test moves by hand; else it is asked for. */
  standIn?: { now(): number } | undefined;
}

/** How often the clock is measured again, and looked at for jumps, in ms. */
const SYNC_MS = 10_000;
const LOOK_MS = 1000;

/** A difference between the wall clock's and the monotonic clock's progress that is worth a measure at once, in ms. */
const JUMP_MS = 500;

/** The database's time, which everything that is compared across processes is told in. */
export function createDatabaseClock({ db, local, standIn }: DatabaseClockOptions): SharedClock {
  return createSharedClock({
    local: local ?? monotonicClock,
    wall: () => (local ?? systemClock).now(),
    // Outside of transactions, and not their time: that stands still while one waits.
    async ask() {
      if (standIn) return standIn.now();
      const query = sql<{ ms: number }>`select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`;
      const { rows } = await query.execute(db);
      const [row] = rows;
      if (!row) throw new Error('the database did not tell its time');
      return Number(row.ms);
    },
  });
}

/** Keeps a clock right: measured every ten seconds, and within a second when it was set or its machine has slept. */
export function keepInStep(clock: SharedClock, log: Log): Loop {
  let skewMs = clock.skewMs();
  let syncedAt = Number.NEGATIVE_INFINITY;
  return startLoop({
    // Real time, also under a clock that tests move: what is watched for happens in it.
    clock: systemClock,
    intervalMs: LOOK_MS,
    async round() {
      const isDue = performance.now() - syncedAt >= SYNC_MS;
      if (!isDue && Math.abs(clock.skewMs() - skewMs) < JUMP_MS) return false;
      await clock.sync();
      syncedAt = performance.now();
      skewMs = clock.skewMs();
      return false;
    },
    onError: (error) => log.debug({ error: errorText(error) }, 'the time of the database could not be read'),
  });
}
