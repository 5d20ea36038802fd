import { sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { Micros } from '../core/money.ts';

/** The SQLSTATE with which `deny_quota` ends a statement. */
const DENIED_STATE = 'QT001';

/** One limit that a request would go beyond, in the units of its metric. */
export interface Denial {
  scope: 'user' | 'team' | 'key';
  subjectId: string;
  metric: 'usd_day' | 'usd_month' | 'usd_total' | 'videos_day' | 'seconds_month';
  hard: number;
  /** Without the request. */
  used: number;
  asked: number;
  /** ISO 8601; null for what never resets. */
  resetsAt: string | null;
}

/**
 * SQL that counts every job of a CTE `created` with its user, its team and its key, and ends the statement when that goes
 * beyond a hard limit: whoever asks at the same moment waits for the row, so nothing is ever counted past it. Crossing a
 * soft limit writes an event. To be part of the statement that inserts the jobs, after the hold: everybody writes balances
 * first and meters second. `now` and `zone` are the statement's parameters for the time and where days begin.
 */
export function meterCreated(now: string, zone: string): string {
  const today = `(${now} at time zone ${zone})::date`;
  const month = `date_trunc('month', ${now} at time zone ${zone})::date`;
  const kept = (column: string, period: string) =>
    `${column} = excluded.${column} + case when old.${period} >= excluded.${period} then old.${column} else 0 end`;
  return `asked as (
      select scope, subject_id, sum(estimated_micros)::bigint as micros, count(*) as videos,
        sum(created.seconds)::bigint as seconds, min(owner_id) as owner_id
      from created cross join lateral (values
        ('user', user_id), ('key', key_family(api_key_id)), ('team', case when owner_id <> user_id then owner_id end)
      ) as subjects (scope, subject_id)
      where subject_id is not null and (select count(*) from balanced) >= 0
      group by scope, subject_id
    ), metered as (
      insert into meters as old (scope, subject_id, zone, day, month, usd_day, usd_month, usd_total, videos_day, seconds_month)
      select scope, subject_id, ${zone}, ${today}, ${month}, micros, micros, micros, videos, seconds
      from asked order by scope, subject_id
      on conflict (scope, subject_id) do update set zone = excluded.zone,
        day = greatest(old.day, excluded.day), month = greatest(old.month, excluded.month),
        ${kept('usd_day', 'day')}, ${kept('usd_month', 'month')}, usd_total = old.usd_total + excluded.usd_total,
        ${kept('videos_day', 'day')}, ${kept('seconds_month', 'month')}
      returning *
    ), limits as (
      select scope, subject_id, quota.metric, quota.hard, quota.soft from metered
      cross join lateral (
        select distinct on (metric) metric, hard, soft from quotas
        where (quotas.scope = metered.scope and quotas.subject_id = metered.subject_id)
          or (metered.scope = 'user' and quotas.scope = 'role'
            and quotas.subject_id = (select role from users where id = metered.subject_id))
        order by metric, quotas.scope = 'role'
      ) as quota
      union all
      select scope, subject_id, 'usd_total', spend_cap_micros, null
      from metered join api_keys on api_keys.id = (select min(api_key_id) from created)
      where scope = 'key' and spend_cap_micros is not null
    ), uses as (
      select scope, subject_id, owner_id, metric, hard, soft,
        case metric when 'usd_day' then usd_day when 'usd_month' then usd_month when 'usd_total' then usd_total
          when 'videos_day' then videos_day when 'seconds_month' then metered.seconds_month end as used,
        case metric when 'videos_day' then asked.videos when 'seconds_month' then asked.seconds else asked.micros end as asked,
        case when metric like '%_day' then (day + 1)::timestamp at time zone zone
          when metric like '%_month' then (month + interval '1 month') at time zone zone end as resets_at
      from limits join metered using (scope, subject_id) join asked using (scope, subject_id)
    ), denied as (
      select json_agg(json_build_object('scope', scope, 'subjectId', subject_id, 'metric', metric, 'hard', hard,
        'used', used - asked, 'asked', asked, 'resetsAt', to_json(resets_at)) order by metric, scope)::text as what
      from uses where used > hard and asked > 0
    ), warned as (
      insert into events (owner_id, job_id, batch_id, type, data, created_at)
      select owner_id, null, null, 'quota.soft_limit_crossed',
        json_build_object('scope', scope, 'subjectId', subject_id, 'metric', metric, 'soft', soft, 'used', used), ${now}
      from uses where used > soft and used - asked <= soft
    )`;
}

/** The limits that a statement with `meterCreated` would have gone beyond; nothing when it failed for another reason. */
export function denialsIn(error: unknown): Denial[] | undefined {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return code === DENIED_STATE ? (JSON.parse(String(message)) as Denial[]) : undefined;
}

/** What a job came to, against what was counted when it was created. */
export interface Recount {
  user_id: string | null;
  owner_id: string;
  api_key_id: string | null;
  created_at: Date;
  /** All three are differences. */
  micros: Micros;
  videos: number;
  seconds: number;
}

/** Counts anew what has turned out otherwise, in the periods in which it was counted; periods that are over stay as they are. */
export async function recount(tx: Transaction<DB>, jobs: readonly Recount[]): Promise<void> {
  const changed = jobs.filter(({ micros, videos, seconds }) => micros !== 0 || videos !== 0 || seconds !== 0);
  if (changed.length === 0) return;
  await sql`
    with shares as (
      select scope, subject_id, created_at, micros, videos, seconds
      from json_to_recordset(${JSON.stringify(changed)}::json) as changed
        (user_id text, owner_id text, api_key_id text, created_at timestamptz, micros bigint, videos int, seconds int)
      cross join lateral (values
        ('user', user_id), ('key', key_family(api_key_id)), ('team', case when owner_id <> user_id then owner_id end)
      ) as subjects (scope, subject_id)
      where subject_id is not null
    ), locked as (
      select * from meters where (scope, subject_id) in (select scope, subject_id from shares)
      order by scope, subject_id for update
    ), sums as (
      select scope, subject_id, sum(micros) as total,
        coalesce(sum(micros) filter (where (created_at at time zone zone)::date = day), 0) as usd_day,
        coalesce(sum(micros) filter (where date_trunc('month', created_at at time zone zone) = month), 0) as usd_month,
        coalesce(sum(videos) filter (where (created_at at time zone zone)::date = day), 0) as videos_day,
        coalesce(sum(shares.seconds) filter (where date_trunc('month', created_at at time zone zone) = month), 0)
          as seconds_month
      from locked join shares using (scope, subject_id) group by scope, subject_id
    )
    update meters set usd_total = meters.usd_total + sums.total, usd_day = meters.usd_day + sums.usd_day,
      usd_month = meters.usd_month + sums.usd_month, videos_day = meters.videos_day + sums.videos_day,
      seconds_month = meters.seconds_month + sums.seconds_month
    from sums where meters.scope = sums.scope and meters.subject_id = sums.subject_id`.execute(tx);
}
