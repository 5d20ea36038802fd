import { newId } from '../core/ids.ts';

/** How often a worker says that it is alive, and how long a silence is taken for its death here, in seconds. */
export const REFRESH_SECONDS = 2;
const SILENCE_SECONDS = 7;

/** How long the process that looks after dead workers keeps others from it, in seconds. */
const LEASE_SECONDS = 3;
/** A process that could not reach the database for so long was not alone: the others come back within a few refreshes. */
const GAP_MS = 3000;
const CALM_MS = 3 * REFRESH_SECONDS * 1000;

/**
 * A worker's death is no failure of its task: no pause before another begins it, whether pg-boss has noticed it (after its
 * least, ten seconds) or a shorter silence tells. One that was only held up cannot undo what its successor does.
 */
const RELEASE_DEAD = `update pgboss.job set state = 'retry', start_after = pgboss.job_now()
  where (state = 'retry' and start_after > pgboss.job_now()
      and output -> 'value' ->> 'message' = 'job heartbeat timeout')
    or (state = 'active' and heartbeat_on < pgboss.job_now() - interval '${SILENCE_SECONDS} seconds')`;

const TAKE_LEASE = `insert into leases as old (name, holder, until)
  values ('queue', $1, clock_timestamp() + interval '${LEASE_SECONDS} seconds')
  on conflict (name) do update set holder = excluded.holder, until = excluded.until
    where old.holder = excluded.holder or old.until < clock_timestamp()
  returning name`;

/** The queue's own way to the database. */
interface Sql {
  executeSql(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

/** One look for the tasks of dead workers; to be called every second. */
export type ReleaseDead = () => Promise<void>;

/**
 * One process looks for all: whoever holds the lease. After a time in which this process could not look, since the database
 * was away or it stood still itself, living workers first get time to say that they are.
 */
export function createReleaseDead(db: Sql, now = () => performance.now()): ReleaseDead {
  const holder = newId('run');
  let lookedAt = now();
  let calmUntil = 0;
  return async () => {
    const { rows } = await db.executeSql(TAKE_LEASE, [holder]);
    const at = now();
    if (at - lookedAt > GAP_MS) calmUntil = at + CALM_MS;
    lookedAt = at;
    if (rows.length > 0 && at >= calmUntil) await db.executeSql(RELEASE_DEAD);
  };
}
