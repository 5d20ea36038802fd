import { type Kysely, sql } from 'kysely';
import type { DB } from '../database/schema.ts';

/** One process of the installation, as it says of itself. */
export interface Process {
  id: string;
  role: string;
  version: string;
  host: string;
  pid: number;
  /** How far its machine's clock is ahead of the database's, in ms. */
  skewMs: number;
  drainingAt: Date | null;
}

/** Says in one statement that a process lives and which connections it serves. */
export async function notePresence(
  db: Kysely<DB>,
  process: Process,
  connections: readonly string[],
  now: Date,
): Promise<void> {
  const { id, role, version, host, pid, skewMs, drainingAt } = process;
  await sql`
    with present as (
      insert into processes (id, role, version, host, pid, started_at, seen_at, skew_ms, draining_at)
      values (${id}, ${role}, ${version}, ${host}, ${pid}, ${now}, ${now}, ${skewMs}, ${drainingAt})
      on conflict (id) do update set seen_at = excluded.seen_at, skew_ms = excluded.skew_ms,
        draining_at = excluded.draining_at
    )
    insert into connection_workers (connection, process_id, first_served_at, last_served_at)
    select name, ${id}, ${now}, ${now} from unnest(${connections}::text[]) as name
    on conflict (connection, process_id) do update set last_served_at = excluded.last_served_at`.execute(db);
}

/** A clean stop. When it last served its connections is still known. */
export async function noteStop(db: Kysely<DB>, id: string, now: Date): Promise<void> {
  await db.updateTable('processes').set({ seen_at: now, stopped_at: now }).where('id', '=', id).execute();
}

/** Processes that have said nothing since `before` are forgotten, with what they served. */
export async function forgetProcesses(db: Kysely<DB>, before: Date): Promise<void> {
  await db.deleteFrom('processes').where('seen_at', '<', before).execute();
}

/** Whether any process has served the connection since then. */
export async function isServed(db: Kysely<DB>, connection: string, since: Date): Promise<boolean> {
  const row = await db
    .selectFrom('connection_workers')
    .select('connection')
    .where('connection', '=', connection)
    .where('last_served_at', '>=', since)
    .executeTakeFirst();
  return row !== undefined;
}
