-- What somebody may use at most. A role's holds for each user of it who has none of their own; a team's and a key's for all
-- that is asked for in that team's name or with that key. Amounts of money are micro-dollars.
create table quotas (
  scope text not null check (scope in ('role', 'user', 'team', 'key')),
  subject_id text not null,
  metric text not null check (metric in ('usd_day', 'usd_month', 'videos_day', 'seconds_month', 'running')),
  -- Beyond it nothing is accepted; null: no limit, whatever the role's is.
  hard bigint check (hard >= 0),
  -- Beyond it somebody is told.
  soft bigint check (soft >= 0),
  updated_by text not null,
  updated_at timestamptz not null,
  primary key (scope, subject_id, metric)
);

-- What everybody has used in the current day and month: one row each, so that asking for more is one guarded write. A row of
-- an earlier period counts as nothing.
create table meters (
  scope text not null check (scope in ('user', 'team', 'key')),
  subject_id text not null,
  -- Where its days begin.
  zone text not null,
  day date not null,
  month date not null,
  usd_day bigint not null,
  usd_month bigint not null,
  usd_total bigint not null,
  videos_day bigint not null,
  seconds_month bigint not null,
  primary key (scope, subject_id)
) with (fillfactor = 50);

-- Ends a statement that would use more than there is, and with it everything that the statement has done.
create function deny_quota(denied text) returns bigint language plpgsql as $$
begin
  raise exception '%', denied using errcode = 'QT001';
end $$;

-- Keys of one line of rotations count as one: as the first of them.
create function key_family(key_id text) returns text language sql stable as $$
  select coalesce(family_id, id) from api_keys where id = key_id
$$;

-- What was used before there were meters.
insert into meters (scope, subject_id, zone, day, month, usd_day, usd_month, usd_total, videos_day, seconds_month)
select scope, subject_id, 'UTC', today, date_trunc('month', today)::date,
  coalesce(sum(micros) filter (where day = today), 0),
  coalesce(sum(micros) filter (where day >= date_trunc('month', today)), 0),
  -- Videos that were deleted since then stand in the ledger still.
  (select coalesce(sum(case when debit like 'held/%' or debit like 'spent/%' then amount_micros else -amount_micros end), 0)
    from ledger where case scope when 'key' then key_family(api_key_id) else owner_id end = subject_id),
  count(*) filter (where day = today and counts),
  coalesce(sum(seconds) filter (where day >= date_trunc('month', today) and counts), 0)
from (
  select user_id, owner_id, api_key_id, seconds, (created_at at time zone 'UTC')::date as day,
    (now() at time zone 'UTC')::date as today,
    case when finished_at is null or cancel_outcome = 'unknown' then estimated_micros
      else coalesce(charged_micros, 0) end as micros,
    status not in ('failed', 'cancelled') or coalesce(charged_micros, 0) > 0 as counts
  from jobs where user_id is not null
) as used
cross join lateral (values ('user', user_id), ('key', key_family(api_key_id))) as subjects (scope, subject_id)
where subject_id is not null
group by scope, subject_id, today;
