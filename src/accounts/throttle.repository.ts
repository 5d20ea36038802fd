import { sql } from 'kysely';
import type { Db } from '../database/open.ts';

export interface AttemptKey {
  key: string;
  /** Attempts before anybody has to wait. */
  allowed: number;
}

/**
 * Counts one more attempt under every key that is not blocked, and blocks those that have had too many: for one second, then
 * two, four, at most `maxWaitMs`. Returns until when one has to wait where a key was blocked already. In one statement: of
 * many attempts at once each one counts.
 */
export async function countAttempt(
  db: Db,
  keys: readonly AttemptKey[],
  now: Date,
  limits: { windowMs: number; maxWaitMs: number },
): Promise<Date | undefined> {
  const begin = new Date(now.getTime() - limits.windowMs);
  const sorted = keys.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const count = sql`case when old.last_at < ${begin}::timestamptz then 1 else old.attempts + 1 end`;
  const waitMs = sql`least(${limits.maxWaitMs}::float8, 1000 * 2 ^ least(${count} - old.allowed, 30))`;
  const { rows } = await sql<{ key: string }>`
    insert into sign_in_attempts as old (key, attempts, allowed, last_at)
    select key, 1, allowed, ${now}::timestamptz
    from unnest(${sorted.map(({ key }) => key)}::text[], ${sorted.map(({ allowed }) => allowed)}::integer[])
      as asked (key, allowed)
    on conflict (key) do update set attempts = ${count}, last_at = excluded.last_at,
      blocked_until = case when ${count} >= old.allowed
        then excluded.last_at + make_interval(secs => ${waitMs} / 1000) end
    where old.blocked_until is null or old.blocked_until <= excluded.last_at
    returning key`.execute(db);
  if (rows.length === keys.length) return undefined;
  const blocked = await db
    .selectFrom('sign_in_attempts')
    .select((eb) => eb.fn.max('blocked_until').as('until'))
    .where(
      'key',
      'in',
      sorted.map(({ key }) => key).filter((key) => !rows.some((row) => row.key === key)),
    )
    .executeTakeFirst();
  return blocked?.until ?? now;
}

/** The attempt was right: these keys begin anew, those give the attempt back. */
export async function forgetAttempt(
  db: Db,
  { anew, back }: { anew: readonly string[]; back: readonly string[] },
): Promise<void> {
  await db.deleteFrom('sign_in_attempts').where('key', 'in', anew).execute();
  await db
    .updateTable('sign_in_attempts')
    .set((eb) => ({ attempts: eb('attempts', '-', 1) }))
    .where('key', 'in', back)
    .where('attempts', '>', 0)
    .execute();
}

export async function deleteOldAttempts(db: Db, before: Date): Promise<void> {
  await db.deleteFrom('sign_in_attempts').where('last_at', '<', before).execute();
}
