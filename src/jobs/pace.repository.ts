import type { Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { PaceState } from './pace.ts';
import type { Write } from './write.ts';

const COLUMNS = ['allowed', 'slowed_at', 'blocked_until', 'tokens', 'refilled_at'] as const;

/**
 * Locks a connection's row until the transaction ends, making it when it is missing: whoever holds it is the one who
 * admits. Undefined when another process holds it, which sees what we see.
 */
export async function lockPaceOrLeave(
  write: Write,
  name: string,
  first: PaceState,
): Promise<PaceState | undefined> {
  const find = (tx: Transaction<DB>) =>
    tx
      .selectFrom('connections')
      .select(COLUMNS)
      .where('name', '=', name)
      .forUpdate()
      .skipLocked()
      .executeTakeFirst();
  const found = await find(write.tx);
  if (found) return found;
  const inserted = await write.tx
    .insertInto('connections')
    .values({ name, ...first })
    .onConflict((conflict) => conflict.doNothing())
    .returning(COLUMNS)
    .executeTakeFirst();
  return inserted;
}

/** The same, waiting for its turn. Undefined when the connection has never admitted anything. */
export async function lockPace(write: Write, name: string): Promise<PaceState | undefined> {
  return write.tx
    .selectFrom('connections')
    .select(COLUMNS)
    .where('name', '=', name)
    .forUpdate()
    .executeTakeFirst();
}

export async function savePace(write: Write, name: string, state: PaceState): Promise<void> {
  await write.tx.updateTable('connections').set(state).where('name', '=', name).execute();
}

/** Whether the upstream has asked this connection to go slower than it may. */
export async function isSlowed(write: Write, name: string): Promise<boolean> {
  const row = await write.tx
    .selectFrom('connections')
    .select('name')
    .where('name', '=', name)
    .where('allowed', 'is not', null)
    .executeTakeFirst();
  return row !== undefined;
}
