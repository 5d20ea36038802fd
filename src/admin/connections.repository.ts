import { type Kysely, type Selectable, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { ConnectionsTable } from '../database/schema-engine.ts';

export interface ConnectionFigures {
  name: string;
  running: number;
  waiting: number;
  completed: number;
  failed: number;
  cancelled: number;
  /** Why jobs failed lately, the most frequent first. */
  errors: { code: string; count: number }[];
}

/** What goes on at connections, and how their jobs have ended since a moment. */
export async function connectionFigures(
  db: Kysely<DB>,
  names: readonly string[],
  since: Date,
): Promise<Map<string, ConnectionFigures>> {
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
      (select count(*) from jobs where connection = name and status = 'pending') as waiting,
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
