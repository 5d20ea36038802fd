import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { QuotasTable } from '../database/schema-money.ts';
import type { DB } from '../database/schema.ts';
import type { Metric, QuotaScope } from './quota.ts';

/** Whom a quota is for; for the scope `role` the id is the role's name. */
export interface QuotaSubject {
  scope: QuotaScope;
  subjectId: string;
}

/** In the units of the database; null: no limit. */
export interface Limit {
  metric: Metric;
  hard: number | null;
  soft: number | null;
}

export type Quota = Selectable<QuotasTable>;

export async function listQuotas(db: Kysely<DB>, subject?: QuotaSubject): Promise<Quota[]> {
  let query = db.selectFrom('quotas').selectAll().orderBy('scope').orderBy('subject_id').orderBy('metric');
  if (subject) query = query.where('scope', '=', subject.scope).where('subject_id', '=', subject.subjectId);
  return query.execute();
}

/** Changes of one subject's limits happen one after the other; until the transaction ends. */
export async function lockQuota(tx: Transaction<DB>, { scope, subjectId }: QuotaSubject): Promise<void> {
  // There may be no row yet that could be locked.
  await sql`select pg_advisory_xact_lock(hashtextextended(${`quota ${scope} ${subjectId}`}, 0))`.execute(tx);
}

/** The given limits take the place of all that the subject had. */
export async function replaceQuotas(
  tx: Transaction<DB>,
  { scope, subjectId }: QuotaSubject,
  limits: readonly Limit[],
  by: string,
  now: Date,
): Promise<void> {
  await tx.deleteFrom('quotas').where('scope', '=', scope).where('subject_id', '=', subjectId).execute();
  if (limits.length === 0) return;
  const common = { scope, subject_id: subjectId, updated_by: by, updated_at: now };
  await tx
    .insertInto('quotas')
    .values(limits.map((limit) => ({ ...limit, ...common })))
    .execute();
}

/** Whom a quota is set for, if there is anybody of that id: of a key that was rotated, the first of its line. */
export async function findSubject(
  db: Kysely<DB>,
  { scope, subjectId }: QuotaSubject,
): Promise<QuotaSubject | undefined> {
  if (scope === 'role')
    return subjectId === 'user' || subjectId === 'admin' ? { scope, subjectId } : undefined;
  const ids = {
    user: sql`select id from users where id = ${subjectId}`,
    team: sql`select id from teams where id = ${subjectId}`,
    key: sql`select key_family(${subjectId}) as id`,
  };
  const { rows } = await sql<{ id: string | null }>`${ids[scope]}`.execute(db);
  const id = rows[0]?.id;
  return id ? { scope, subjectId: id } : undefined;
}

/** What one subject has used of one metric, with its limit, if it has one. */
export interface Use {
  scope: 'user' | 'team' | 'key';
  subject_id: string;
  metric: Metric | 'usd_total';
  hard: number | null;
  soft: number | null;
  used: number;
  /** Null for what never resets: money in all, videos in work. */
  resets_at: Date | null;
}

/** What everybody has used at a moment, as rows of `Use` without limits; of the users, teams and keys in `subjects (scope, id)`. */
const USED = sql`
  used as (
    select subjects.scope, subjects.id as subject_id, periods.metric, periods.resets_at,
      case periods.metric
        when 'usd_day' then case today when day then usd_day when former_day then former_usd_day end
        when 'usd_month' then case this_month when month then usd_month when former_month then former_usd_month end
        when 'videos_day' then case today when day then videos_day when former_day then former_videos_day end
        when 'seconds_month' then
          case this_month when month then seconds_month when former_month then former_seconds_month end
        when 'usd_total' then usd_total
        when 'running' then (
          select count(*) from jobs where status = 'processing' and case subjects.scope when 'user' then user_id = subjects.id
            when 'key' then key_family(api_key_id) = subjects.id else owner_id = subjects.id end
        )
      end as amount
    from subjects
    cross join (
      select today, date_trunc('month', today)::date as this_month, zone from (
        select (now at time zone zone)::date as today, zone from moment
      ) as days
    ) as calendar
    cross join lateral (values
      ('usd_day', (today + 1)::timestamp at time zone calendar.zone),
      ('usd_month', (this_month + interval '1 month') at time zone calendar.zone),
      ('videos_day', (today + 1)::timestamp at time zone calendar.zone),
      ('seconds_month', (this_month + interval '1 month') at time zone calendar.zone),
      ('running', null), ('usd_total', null)
    ) as periods (metric, resets_at)
    left join meters on meters.scope = subjects.scope and meters.subject_id = subjects.id
  )`;

/** What a caller has used of everything, and what limits it: as a person, for a team, by a key. */
export async function usesOf(
  db: Kysely<DB>,
  { userId, ownerId, keyId }: { userId: string; ownerId: string; keyId: string | null },
  now: Date,
  zone: string,
): Promise<Use[]> {
  const { rows } = await sql<Use>`
    with moment as (select ${now}::timestamptz as now, ${zone}::text as zone),
    subjects as (
      select * from (values ('user', ${userId}::text), ('key', key_family(${keyId})),
        ('team', ${ownerId === userId ? null : ownerId}::text)) as given (scope, id)
      where id is not null
    ), ${USED}
    select used.scope, used.subject_id, used.metric, used.resets_at, coalesce(used.amount, 0)::float8 as used,
      coalesce(own.hard, api_keys.spend_cap_micros)::float8 as hard, own.soft::float8 as soft
    from used
    left join lateral (
      select hard, soft from quotas
      where quotas.metric = used.metric and ((quotas.scope = used.scope and quotas.subject_id = used.subject_id)
        or (used.scope = 'user' and quotas.scope = 'role'
          and quotas.subject_id = (select role from users where id = used.subject_id)))
      order by quotas.scope = 'role' limit 1
    ) as own on true
    left join api_keys on used.metric = 'usd_total' and used.scope = 'key' and api_keys.id = ${keyId}
    where used.metric <> 'usd_total' or used.scope = 'key'
    order by array_position(array['user', 'team', 'key'], used.scope), used.metric`.execute(db);
  return rows;
}

/** Who has used more than these limits already: of a role, those of its users who have no quota of their own for it. */
export async function wouldBeOver(
  db: Kysely<DB>,
  { scope, subjectId }: QuotaSubject,
  limits: readonly Limit[],
  now: Date,
  zone: string,
): Promise<Use[]> {
  const subjects =
    scope === 'role'
      ? sql`select 'user' as scope, id from users where role = ${subjectId}`
      : sql`select ${scope}::text as scope, ${subjectId}::text as id`;
  const { rows } = await sql<Use>`
    with moment as (select ${now}::timestamptz as now, ${zone}::text as zone),
    subjects as (${subjects}), ${USED},
    wanted as (
      select * from json_to_recordset(${JSON.stringify(limits)}::json) as wanted (metric text, hard bigint, soft bigint)
    )
    select used.scope, used.subject_id, used.metric, used.resets_at, used.amount::float8 as used,
      wanted.hard::float8 as hard, wanted.soft::float8 as soft
    from used join wanted on wanted.metric = used.metric
    where used.amount > least(wanted.hard, wanted.soft)
      and (${scope}::text <> 'role' or not exists (
        select from quotas where quotas.scope = 'user' and quotas.subject_id = used.subject_id and quotas.metric = used.metric
      ))
    order by used.amount - coalesce(wanted.hard, wanted.soft) desc, used.subject_id
    limit 1000`.execute(db);
  return rows;
}
