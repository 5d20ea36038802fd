import { type Kysely, sql } from 'kysely';
import type { DB } from '../database/schema.ts';

/** How long a walk is held without a page: a dead walker is replaced after this. Longer than a page may take. */
const LEASE = sql`interval '15 seconds'`;
/** It is not written at each page, only when so much of it is used up. */
const FRESH = sql`interval '12 seconds'`;

/**
 * Begins a walk through a connection's list: undefined when another process is at it or none is due yet. Held by the
 * database's time, which all processes share; `now` is what `due_at` goes by. `cursor`: where a walk was broken off.
 */
export async function beginWalk(
  db: Kysely<DB>,
  connection: string,
  walker: string,
  now: Date,
): Promise<{ cursor: string | undefined } | undefined> {
  const { rows } = await sql<{ cursor: string | null }>`
    insert into walks (connection, walker, held_until) values (${connection}, ${walker}, clock_timestamp() + ${LEASE})
    on conflict (connection) do update set walker = excluded.walker, held_until = excluded.held_until
      where walks.held_until <= clock_timestamp() and walks.due_at <= ${now}
    returning cursor`.execute(db);
  const [row] = rows;
  return row && { cursor: row.cursor ?? undefined };
}

/** A page has been read: notes how far the walk is, now and then. False when another process has taken it over. */
export async function keepWalk(
  db: Kysely<DB>,
  connection: string,
  walker: string,
  cursor: string | undefined,
): Promise<boolean> {
  const { rows } = await sql<{ held: boolean }>`
    with kept as (
      update walks set held_until = clock_timestamp() + ${LEASE}, cursor = ${cursor ?? null}
      where connection = ${connection} and walker = ${walker} and held_until > clock_timestamp()
        and held_until < clock_timestamp() + ${FRESH}
    )
    select exists (
      select from walks
      where connection = ${connection} and walker = ${walker} and held_until > clock_timestamp()
    ) as held`.execute(db);
  return rows[0]?.held ?? false;
}

/** The walk is over; the next one begins at the top of the list. Nothing when another process has taken it over. */
export async function endWalk(
  db: Kysely<DB>,
  connection: string,
  walker: string,
  dueAt: Date,
): Promise<void> {
  await db
    .updateTable('walks')
    .set({ held_until: sql`'-infinity'`, due_at: dueAt, cursor: null })
    .where('connection', '=', connection)
    .where('walker', '=', walker)
    .execute();
}

/** The process stops: another one may go on at once, where this one had got to. */
export async function breakOffWalk(db: Kysely<DB>, connection: string, walker: string): Promise<void> {
  await db
    .updateTable('walks')
    .set({ held_until: sql`'-infinity'` })
    .where('connection', '=', connection)
    .where('walker', '=', walker)
    .execute();
}

/** Ends all walks: for a process that knows that it is the only one. */
export async function releaseWalks(db: Kysely<DB>): Promise<void> {
  await db
    .updateTable('walks')
    .set({ held_until: sql`'-infinity'` })
    .execute();
}
