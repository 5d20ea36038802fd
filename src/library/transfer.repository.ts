import { type Selectable, sql } from 'kysely';
import type { Db } from '../database/open.ts';
import type { DB } from '../database/schema.ts';

const PAGE = 200;

type Owned = 'batches' | 'assets' | 'collections';

/** All rows of an owner, oldest first, a page at a time. */
export async function* rowsOf<Table extends Owned>(
  db: Db,
  table: Table,
  ownerId: string,
): AsyncGenerator<Selectable<DB[Table]>> {
  let last: { created_at: Date; id: string } | undefined;
  do {
    const behind = last ? sql`and (created_at, id) > (${last.created_at}, ${last.id})` : sql``;
    const { rows } = await sql<Selectable<DB[Owned]>>`
      select * from ${sql.table(table)} where owner_id = ${ownerId} ${behind}
      order by created_at, id limit ${PAGE}`.execute(db);
    yield* rows as Selectable<DB[Table]>[];
    last = rows.length === PAGE ? rows.at(-1) : undefined;
  } while (last);
}
