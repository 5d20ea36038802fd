import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { Micros } from '../core/money.ts';
import type { UsersTable } from '../database/schema-people.ts';
import type { DB } from '../database/schema.ts';
import type { Place } from '../core/cursor.ts';

export type UserRow = Selectable<UsersTable>;

export interface UserFilter {
  /** Part of a name, an address or an id. */
  q?: string | undefined;
  role?: UserRow['role'] | undefined;
  disabled?: boolean | undefined;
}

// Databases keep microseconds, cursors milliseconds: the order must not know more than the cursor.
const CREATED = sql<Date>`date_trunc('milliseconds', created_at)`;

/** One more than the page, latest first. */
export async function listUsers(
  db: Kysely<DB>,
  { q, role, disabled }: UserFilter,
  limit: number,
  behind?: Place,
): Promise<UserRow[]> {
  let query = db.selectFrom('users').selectAll();
  if (role) query = query.where('role', '=', role);
  if (disabled !== undefined) query = query.where('disabled_at', disabled ? 'is not' : 'is', null);
  if (q !== undefined) {
    const part = `%${q.toLowerCase().replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
    query = query.where(sql<boolean>`lower(concat_ws(' ', name, email, id)) like ${part}`);
  }
  if (behind) query = query.where(sql<boolean>`(${CREATED}, id) < (${behind.at}, ${behind.id})`);
  return query
    .orderBy(CREATED, 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
}

export async function findUser(db: Kysely<DB>, id: string): Promise<UserRow | undefined> {
  return db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
}

export interface UserFigures {
  jobs: number;
  charged: Micros;
  openJobs: number;
  keys: number;
}

/** What users have asked for and what it has cost, in whatever space; by user. */
export async function figuresOf(db: Kysely<DB>, ids: readonly string[]): Promise<Map<string, UserFigures>> {
  const { rows } = await sql<{ id: string } & UserFigures>`
    with used as (
      select user_id, created, charged_micros from usage_days join usage_dims on usage_dims.id = dim
      where zone = (select id from usage_zones where name = 'UTC') and user_id = any(${ids}::text[])
      union all
      select user_id, created, charged_micros from usage_deltas where user_id = any(${ids}::text[])
    ), sums as (
      select user_id, sum(created) as jobs, sum(charged_micros) as charged from used group by user_id
    )
    select wanted.id, coalesce(sums.jobs, 0) as jobs, coalesce(sums.charged, 0) as charged,
      (select count(*) from jobs where jobs.user_id = wanted.id and status in ('pending', 'processing')) as "openJobs",
      (select count(*) from api_keys where api_keys.user_id = wanted.id and revoked_at is null) as keys
    from unnest(${ids}::text[]) as wanted (id) left join sums on sums.user_id = wanted.id`.execute(db);
  return new Map(rows.map(({ id, ...figures }) => [id, figures]));
}

export async function teamsOf(
  db: Kysely<DB>,
  userId: string,
): Promise<{ id: string; name: string; role: string }[]> {
  return db
    .selectFrom('team_members')
    .innerJoin('teams', 'teams.id', 'team_members.team_id')
    .select(['teams.id as id', 'teams.name as name', 'team_members.role as role'])
    .where('team_members.user_id', '=', userId)
    .orderBy('teams.name')
    .execute();
}

export async function keysOf(db: Kysely<DB>, userId: string) {
  return db
    .selectFrom('api_keys')
    .select([
      'id',
      'name',
      'prefix',
      'owner_id',
      'scopes',
      'created_at',
      'expires_at',
      'revoked_at',
      'last_used_at',
    ])
    .where('user_id', '=', userId)
    .orderBy('created_at', 'desc')
    .limit(200)
    .execute();
}

/**
 * The admins who may still act, held until the transaction ends, always in one order: whoever wants to take power from
 * one waits here for whoever is doing the same, and then sees what is left.
 */
export async function lockAdmins(tx: Transaction<DB>): Promise<string[]> {
  const rows = await tx
    .selectFrom('users')
    .select('id')
    .where('role', '=', 'admin')
    .where('disabled_at', 'is', null)
    .orderBy('id')
    .forUpdate()
    .execute();
  return rows.map(({ id }) => id);
}

export async function lockUser(tx: Transaction<DB>, id: string): Promise<UserRow | undefined> {
  return tx.selectFrom('users').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
}

export async function updateUser(
  tx: Transaction<DB>,
  id: string,
  change: { name?: string; role?: UserRow['role']; disabled_at?: Date | null },
  now: Date,
): Promise<UserRow> {
  return tx
    .updateTable('users')
    .set({ ...change, updated_at: now })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}
