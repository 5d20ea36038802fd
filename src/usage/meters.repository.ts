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

/** SQL for the date that a moment has where the days of quotas begin: what jobs are counted in. */
export function meteredDay(now: string, zone: string): string {
  return `(${now} at time zone ${zone})::date`;
}

/** A figure of a period that a meter keeps, for its latest period and for the one before. */
function counted(figure: string, period: 'day' | 'month'): string {
  const [asked, latest, former] = [`excluded.${period}`, `old.${period}`, `old.former_${period}`];
  return `${figure} = case when ${asked} > ${latest} then excluded.${figure}
          when ${asked} = ${latest} then old.${figure} + excluded.${figure} else old.${figure} end,
        former_${figure} = case when ${asked} > ${latest} then old.${figure}
          when ${asked} = ${latest} then old.former_${figure}
          when ${asked} > coalesce(${former}, '-infinity') then excluded.${figure}
          else old.former_${figure} + excluded.${figure} end`;
}

function turned(period: 'day' | 'month'): string {
  const [asked, latest, former] = [`excluded.${period}`, `old.${period}`, `old.former_${period}`];
  return `${period} = greatest(${latest}, ${asked}),
        former_${period} = case when ${asked} > ${latest} then ${latest}
          when ${asked} = ${latest} then ${former} else greatest(${former}, ${asked}) end`;
}

/**
 * SQL that counts every job of a CTE `created` with its user, its team and its key, and ends the statement when that goes
 * beyond a hard limit: whoever asks at the same moment waits for the row, so nothing is ever counted past it. Crossing a
 * soft limit writes an event. To be part of the statement that inserts the jobs, after the hold: everybody writes balances
 * first and meters second. `now` and `zone` are the statement's parameters for the time and where days begin.
 *
 * A meter turns to a later day once. Who comes with the day before, by a clock that is behind or because another one is ahead,
 * is counted in that; one that is even further behind is counted in the oldest day that is kept, so that no clock gets around
 * a limit.
 */
export function meterCreated(now: string, zone: string): string {
  const today = meteredDay(now, zone);
  const month = `date_trunc('month', ${now} at time zone ${zone})::date`;
  const used = (figure: string, period: 'day' | 'month') =>
    `case when metered.${period} = ${period === 'day' ? today : month} then metered.${figure}
          else metered.former_${figure} end`;
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
        ${turned('day')}, ${turned('month')}, usd_total = old.usd_total + excluded.usd_total,
        ${counted('usd_day', 'day')}, ${counted('videos_day', 'day')},
        ${counted('usd_month', 'month')}, ${counted('seconds_month', 'month')}
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
        case metric when 'usd_day' then ${used('usd_day', 'day')} when 'usd_month' then ${used('usd_month', 'month')}
          when 'usd_total' then usd_total when 'videos_day' then ${used('videos_day', 'day')}
          when 'seconds_month' then ${used('seconds_month', 'month')} end as used,
        case metric when 'videos_day' then asked.videos when 'seconds_month' then asked.seconds else asked.micros end as asked,
        case when metric like '%_day' then (${today} + 1)::timestamp at time zone ${zone}
          when metric like '%_month' then (${month} + interval '1 month') at time zone ${zone} end as resets_at
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
  id: string;
  /** All three are differences. */
  micros: Micros;
  videos: number;
  seconds: number;
}

/**
 * Corrects the count of what has turned out otherwise, with the person, team and key it was counted with and in the day and month in which it was, as the
 * jobs' own rows say; periods that no meter keeps any more stay as they are. A meter never stands in the way of a settlement:
 * it stops at zero.
 */
export async function recount(tx: Transaction<DB>, jobs: readonly Recount[]): Promise<void> {
  const changed = jobs.filter(({ micros, videos, seconds }) => micros !== 0 || videos !== 0 || seconds !== 0);
  if (changed.length === 0) return;
  const sums = (figure: string, change: string, period: 'day' | 'month') => `
        coalesce(sum(${change}) filter (where counted_${period} = ${period}), 0) as ${figure},
        coalesce(sum(${change}) filter (where counted_${period} = former_${period}), 0) as former_${figure}`;
  const stopped = (figure: string) => `${figure} = greatest(meters.${figure} + sums.${figure}, 0)`;
  const figures = ['usd_day', 'videos_day', 'usd_month', 'seconds_month'];
  await sql`
    with shares as (
      select scope, subject_id, metered_day, created_at, changed.micros, changed.videos, changed.seconds
      from json_to_recordset(${JSON.stringify(changed)}::json) as changed
        (id text, micros bigint, videos int, seconds int)
      join jobs on jobs.id = changed.id
      cross join lateral (values
        ('user', user_id), ('key', key_family(api_key_id)), ('team', case when owner_id <> user_id then owner_id end)
      ) as subjects (scope, subject_id)
      where subject_id is not null
    ), locked as (
      select * from meters where (scope, subject_id) in (select scope, subject_id from shares)
      order by scope, subject_id for update
    ), placed as (
      select locked.*, micros, videos, shares.seconds, counted_day,
        date_trunc('month', counted_day)::date as counted_month
      from locked join shares using (scope, subject_id)
      cross join lateral (
        select coalesce(metered_day, (created_at at time zone zone)::date) as counted_day
      ) as days
    ), sums as (
      select scope, subject_id, sum(micros) as usd_total,
        ${sql.raw(
          [
            sums('usd_day', 'micros', 'day'),
            sums('videos_day', 'videos', 'day'),
            sums('usd_month', 'micros', 'month'),
            sums('seconds_month', 'placed.seconds', 'month'),
          ].join(','),
        )}
      from placed group by scope, subject_id
    )
    update meters set ${sql.raw(
      ['usd_total', ...figures, ...figures.map((figure) => `former_${figure}`)].map(stopped).join(', '),
    )}
    from sums where meters.scope = sums.scope and meters.subject_id = sums.subject_id`.execute(tx);
}
