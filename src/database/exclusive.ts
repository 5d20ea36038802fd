import { sql } from 'kysely';
import type { Database } from './open.ts';

/** What is done by one process at a time. The numbers are ours alone among the advisory locks of the database. */
const LOCKS = {
  retention: 0x73_6f_72_62,
  sweep: 0x73_6f_72_63,
  previews: 0x73_6f_72_64,
  ledger: 0x73_6f_72_65,
} as const;

/**
 * Does the work unless another process is at it; then resolves with undefined at once. The lock belongs to a connection
 * and goes with it, however its process ends: after a loss of the database two may be at it, so it spares work, and the
 * work itself must bear running twice.
 */
export async function exclusively<Result>(
  db: Database,
  name: keyof typeof LOCKS,
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  const key = LOCKS[name];
  return db.connection().execute(async (connection) => {
    const taken = await sql<{ ok: boolean }>`select pg_try_advisory_lock(${key}) as ok`.execute(connection);
    if (taken.rows[0]?.ok !== true) return undefined;
    try {
      return await work();
    } finally {
      // A connection that broke has taken its lock along.
      await sql`select pg_advisory_unlock(${key})`.execute(connection).catch(() => {});
    }
  });
}
