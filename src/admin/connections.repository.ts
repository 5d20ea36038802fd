import { type Kysely, type Selectable, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { ConnectionsTable } from '../database/schema-engine.ts';
import { HOLDS_PLACE } from '../jobs/places.ts';

/** A process says every ten seconds that it is there: one that has been silent for longer than this is not. */
const PRESENT_MS = 30_000;

export interface ConnectionFigures {
  name: string;
  running: number;
  /** Those of them that hold a place. */
  placed: number;
  waiting: number;
  /** Processes that said lately that they take work for it. */
  workers: number;
  completed: number;
  failed: number;
  cancelled: number;
  /** Why jobs failed lately, the most frequent first. */
  errors: { code: string; count: number }[];
}

/** What goes on at connections, and how their jobs have ended since a moment. `now` is the time. */
export async function connectionFigures(
  db: Kysely<DB>,
  names: readonly string[],
  since: Date,
  now: Date,
): Promise<Map<string, ConnectionFigures>> {
  const present = new Date(now.getTime() - PRESENT_MS);
  const { rows } = await sql<ConnectionFigures>`
    with recent as (
      -- In the words of the index that retention goes by.
      select connection, status, error_code from jobs
      where finished_at is not null and greatest(finished_at, imported_at) >= ${since} and imported_at is null
    ), failures as (
      select connection, error_code as code, count(*) as count from recent
      where status = 'failed' group by 1, 2 order by 3 desc, 2
    )
    select name,
      (select count(*) from jobs where connection = name and status = 'processing') as running,
      (select count(*) from jobs where connection = name and ${HOLDS_PLACE}) as placed,
      (select count(*) from jobs where connection = name and status = 'pending') as waiting,
      (select count(*) from connection_workers join processes on processes.id = process_id
        where connection = name and last_served_at >= ${present} and stopped_at is null and draining_at is null) as workers,
      (select count(*) from recent where connection = name and status = 'completed') as completed,
      (select count(*) from recent where connection = name and status = 'failed') as failed,
      (select count(*) from recent where connection = name and status = 'cancelled') as cancelled,
      (select coalesce(json_agg(json_build_object('code', code, 'count', count)), '[]') from failures
        where connection = name) as errors
    from unnest(${names}::text[]) as name`.execute(db);
  return new Map(rows.map((row) => [row.name, row]));
}

/** How fast each may be asked; none for one that has never been. */
export async function listPaces(db: Kysely<DB>): Promise<Map<string, Selectable<ConnectionsTable>>> {
  const rows = await db.selectFrom('connections').selectAll().execute();
  return new Map(rows.map((row) => [row.name, row]));
}
