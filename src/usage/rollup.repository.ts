import { type Kysely, sql } from 'kysely';
import type { Db } from '../database/open.ts';
import type { DB } from '../database/schema.ts';

/**
 * Adds what triggers have noted since the last time to the sums that reports read. Says how many lines there were;
 * undefined when another process is at it. Reports are exact before as well as after.
 */
export async function foldUsage(db: Db): Promise<number | undefined> {
  const { rows } = await sql<{ folded: number | null }>`select usage_fold() as folded`.execute(db);
  return rows[0]?.folded ?? undefined;
}

/**
 * The number of a time zone whose days are summed up; one that is asked for the first time is, from then on. Undefined
 * when there are too many of them.
 */
export async function zoneOf(db: Kysely<DB>, name: string): Promise<number | undefined> {
  const find = () => db.selectFrom('usage_zones').select('id').where('name', '=', name).executeTakeFirst();
  const known = await find();
  if (known) return known.id;
  await sql`select usage_add_zone(${name})`.execute(db);
  return (await find())?.id;
}
