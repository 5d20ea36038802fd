import { CompiledQuery } from 'kysely';
import { systemClock } from '../core/clock.ts';
import { newId } from '../core/ids.ts';
import { startLoop } from '../core/loop.ts';
import { LEASE } from './lease.ts';
import type { Database } from './open.ts';

/** What is done by one process at a time. */
export type Exclusive = 'retention' | 'sweep' | 'previews' | 'ledger';

/** A process that stands still or has died holds up the work of the others for this long, in ms. */
const LEASE_MS = 30_000;
const RENEW_MS = LEASE_MS / 3;

/**
 * Does the work unless another process is at it; then resolves with undefined at once. A process that stands still loses
 * its turn, and two may be at it once it goes on: this spares work, and the work itself must bear running twice.
 */
export async function exclusively<Result>(
  db: Database,
  name: Exclusive,
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  const holder = newId('proc');
  const take = () => db.executeQuery(CompiledQuery.raw(LEASE.take, [name, holder, LEASE_MS]));
  if ((await take()).rows.length === 0) return undefined;
  const renewing = startLoop({
    // The lease is one of the database's real time, in tests too.
    clock: systemClock,
    intervalMs: RENEW_MS,
    round: async () => {
      await take();
      return false;
    },
    // The database is away: the lease ends by itself, and the work notices on its own.
    onError: () => {},
  });
  try {
    return await work();
  } finally {
    await renewing.stop();
    await db.executeQuery(CompiledQuery.raw(LEASE.end, [name, holder])).catch(() => {});
  }
}
