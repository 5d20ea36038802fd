import { type Kysely, sql } from 'kysely';
import { AppError } from '../core/errors.ts';
import type { DB } from '../database/schema.ts';

/** The SQLSTATE of, among others, a time zone that the database does not know. */
const INVALID_PARAMETER = '22023';

/**
 * Adds what triggers have noted since the last time to the sums that reports read. Says how many lines there were;
 * undefined when another process is at it. Reports are exact before as well as after.
 */
export async function foldUsage(db: Kysely<DB>): Promise<number | undefined> {
  try {
    return await fold(db);
  } catch (error) {
    if ((error as { code?: unknown }).code !== INVALID_PARAMETER) throw error;
    // A zone that is not known any more, as after a change of the database's version, must not stop all others.
    await sql`
      with gone as (
        delete from usage_zones where lower(name) not in (select lower(name) from pg_timezone_names) returning id
      ), days as (
        delete from usage_days where zone in (select id from gone)
      )
      delete from usage_batches where zone in (select id from gone)`.execute(db);
    return fold(db);
  }
}

async function fold(db: Kysely<DB>): Promise<number | undefined> {
  const { rows } = await sql<{ folded: number | null }>`select usage_fold() as folded`.execute(db);
  return rows[0]?.folded ?? undefined;
}

/**
 * Throws `invalid_request` for a time zone that this process knows and the database does not: which there are differs from
 * version to version.
 */
export async function requireZone(db: Kysely<DB>, name: string): Promise<void> {
  const { rows } = await sql`select from pg_timezone_names where lower(name) = lower(${name})`.execute(db);
  if (rows.length > 0) return;
  const message = `The database does not know the time zone ${name}.`;
  throw new AppError('invalid_request', { message, param: 'timeZone' });
}

/**
 * The number of a time zone whose days are summed up; one that is asked for the first time is, from then on. Undefined
 * when there are too many of them. Throws as `requireZone` does: one that the database does not know must never be summed up.
 */
export async function zoneOf(db: Kysely<DB>, name: string): Promise<number | undefined> {
  const find = () => db.selectFrom('usage_zones').select('id').where('name', '=', name).executeTakeFirst();
  const known = await find();
  if (known) return known.id;
  await requireZone(db, name);
  await sql`select usage_add_zone(${name})`.execute(db);
  return (await find())?.id;
}
