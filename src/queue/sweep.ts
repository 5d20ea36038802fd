import { newId } from '../core/ids.ts';
import { LEASE } from '../database/lease.ts';

/** What the sweep runs its statements with. */
export type Execute = (text: string, values?: unknown[]) => Promise<{ rows: unknown[] }>;

/** How often tasks of dead workers are looked for, in ms. */
export const SWEEP_MS = 1000;
/** A worker says this often that it is alive, and is taken for dead after so long a silence, in seconds. */
export const REFRESH_SECONDS = 2;
const SILENCE_SECONDS = 7;
/** A leader that has said nothing for this long is replaced, in ms. */
const LEASE_MS = 3000;
/** After a gap in which workers may not have reached the database either, they get this long to come back, in ms. */
const COME_BACK_MS = REFRESH_SECONDS * 1000 + 500;
const CLEAN_MS = 5000;
const CLEAN_LIMIT = 5000;
const KEPT_SECONDS = 60;

/**
 * A worker's death is no failure of its task: no pause before another begins it. One that was only held up cannot undo what
 * its successor does. The first line is in the words of pg-boss's index of unfinished tasks: finished ones are not read.
 */
const RELEASE_DEAD = `update pgboss.job set state = 'retry', start_after = pgboss.job_now()
  where state <= 'active' and policy = 'exclusive'
    and state = 'active' and heartbeat_on < pgboss.job_now() - interval '${SILENCE_SECONDS} seconds'`;

/** So many at once that the statement stays short; finished tasks are not needed for anything. */
const CLEAN = `delete from pgboss.job where (name, id) in (
    select name, id from pgboss.job
    where state > 'active' and completed_on < pgboss.job_now() - interval '${KEPT_SECONDS} seconds'
    limit ${CLEAN_LIMIT})
  returning 1 as one`;

export interface Sweep {
  /** One round, if this process leads: releases tasks of dead workers, now and then removes what is finished. */
  round(): Promise<boolean>;
  /** Lets another process lead at once. */
  leave(): Promise<void>;
}

/** Looks after the queue in one process of all; `supervise` is pg-boss's own part of it. */
export function createSweep(execute: Execute, supervise: () => Promise<void>): Sweep {
  const holder = newId('proc');
  /** By this machine's steady clock. */
  let ledAt = -Infinity;
  let judgesFrom = Infinity;
  let cleanedAt = -Infinity;

  async function leads(): Promise<boolean> {
    const { rows } = await execute(LEASE.take, ['queue', holder, LEASE_MS]);
    if (rows.length === 0) return false;
    const now = performance.now();
    if (now - ledAt > LEASE_MS) judgesFrom = now + COME_BACK_MS;
    ledAt = now;
    return true;
  }

  return {
    async round() {
      if (!(await leads())) return false;
      if (performance.now() < judgesFrom) return false;
      await execute(RELEASE_DEAD);
      if (performance.now() - cleanedAt < CLEAN_MS) return false;
      const { rows } = await execute(CLEAN);
      // A backlog goes batch by batch, between which the lease and the dead are looked after.
      if (rows.length >= CLEAN_LIMIT) return true;
      cleanedAt = performance.now();
      await supervise();
      return false;
    },
    leave: async () => void (await execute(LEASE.end, ['queue', holder])),
  };
}
