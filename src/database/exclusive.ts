import { systemClock } from '../core/clock.ts';
import { newId } from '../core/ids.ts';
import { startLoop } from '../core/loop.ts';
import { dropLease, takeLease } from './lease.ts';
import type { Database } from './open.ts';

/** What is done by one process at a time. */
export type Exclusive = 'retention' | 'sweep' | 'previews' | 'ledger';

/** How long a process that died or stands still keeps others from it, in ms; it renews its lease three times as often. */
const LEASE_MS = 30_000;

/**
 * Does the work unless another process is at it; then resolves with undefined at once. A process that stands still loses its
 * lease and may wake up when another is at it: the lease spares work, and the work itself must bear running twice.
 */
export async function exclusively<Result>(
  db: Database,
  name: Exclusive,
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  const holder = newId('run');
  if (!(await takeLease(db, name, holder, LEASE_MS))) return undefined;
  const renewal = startLoop({
    clock: systemClock,
    intervalMs: LEASE_MS / 3,
    async round() {
      await takeLease(db, name, holder, LEASE_MS);
      return false;
    },
    // One that fails leaves time for two more.
    onError: () => {},
  });
  try {
    return await work();
  } finally {
    await renewal.stop();
    await dropLease(db, name, holder).catch(() => {});
  }
}
