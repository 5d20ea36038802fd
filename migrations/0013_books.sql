-- A job leaves only when nothing depends on it any more: not its hold, not what may still run upstream for it. Whatever deletes
-- it, the cascade of another row or a person with psql, is refused here.
create function jobs_keep_unsettled() returns trigger language plpgsql as $$
begin
  if old.finished_at is null then
    raise exception 'the job % is open: cancel it first', old.id using errcode = 'check_violation';
  end if;
  if exists (
    select from attempts where job_id = old.id
      and (duty is not null or (state in ('sent', 'unconfirmed') and stop_outcome is null))
  ) then
    raise exception 'the job % may still run upstream: it stays until that is known', old.id
      using errcode = 'check_violation';
  end if;
  if exists (select from ledger where job_id = old.id and kind = 'hold')
    and not exists (select from ledger where job_id = old.id and kind = 'release') then
    raise exception 'the job % is still held for in the books: it stays until it is settled', old.id
      using errcode = 'check_violation';
  end if;
  return old;
end $$;

create trigger jobs_keep_unsettled before delete on jobs for each row execute function jobs_keep_unsettled();

-- Jobs that their owners deleted while something still depended on them.
create index jobs_hidden on jobs (deleted_at) where deleted_at is not null and trashed_at is null;

-- Jobs that ended in doubt before there were duties: they were given up.
update attempts set stop_outcome = 'written_off'
from jobs
where jobs.id = attempts.job_id and jobs.finished_at is not null and attempts.duty is null
  and attempts.stop_outcome is null and attempts.state in ('sent', 'unconfirmed');

-- The day a job was counted in, in the zone that quotas had then: it is taken back there, whenever and by whom it is ended. Null
-- for jobs from before: the day of their creation.
alter table jobs add column metered_day date;

-- A meter keeps the day and the month before its latest ones too: a process whose clock is ahead turns it to the next day, and
-- one that still has the day before goes on counting in that.
alter table meters
  add column former_day date,
  add column former_usd_day bigint not null default 0,
  add column former_videos_day bigint not null default 0,
  add column former_month date,
  add column former_usd_month bigint not null default 0,
  add column former_seconds_month bigint not null default 0;

-- An orphan is no owner's cost: it is in no report of what was used.
create or replace function usage_note_entries() returns trigger language plpgsql as $$
begin
  -- Most statements make videos that cost nothing, or end them.
  if not exists (select from entries where kind <> 'orphan') then
    return null;
  end if;
  insert into usage_deltas (at, owner_id, user_id, api_key_id, batch_id, connection, model, held_micros, charged_micros,
    corrected_micros)
  select usage_slot(coalesce(hold.created_at, entry.created_at)), entry.owner_id, jobs.user_id,
    case when hold.id is null then entry.api_key_id else hold.api_key_id end, entry.batch_id, entry.connection,
    entry.model,
    sum(case entry.kind when 'hold' then entry.amount_micros when 'release' then -entry.amount_micros else 0 end),
    sum(case when entry.kind in ('hold', 'release') then 0 when entry.debit like 'spent/%' then entry.amount_micros
      else -entry.amount_micros end),
    sum(case when entry.kind <> 'correction' then 0 when entry.debit like 'spent/%' then entry.amount_micros
      else -entry.amount_micros end)
  from entries as entry
  left join lateral (select user_id from jobs where id = entry.job_id limit 1) as jobs on true
  left join lateral (
    select id, created_at, api_key_id from ledger
    where job_id = entry.job_id and kind = 'hold' and entry.kind = 'release' limit 1
  ) as hold on true
  where entry.kind <> 'orphan'
  group by 1, 2, 3, 4, 5, 6, 7;
  return null;
end $$;

-- What corrections of bills never reached, and what was taken back in another period than it was counted in.
with moved as (
  select owner_id, api_key_id,
    sum(case when debit like 'held/%' or debit like 'spent/%' then amount_micros else -amount_micros end) as micros
  from ledger where kind <> 'orphan' group by owner_id, api_key_id
), sums as (
  select 'team' as scope, owner_id as subject_id, micros from moved
  union all
  select 'key', coalesce(family_id, id), micros from moved join api_keys on api_keys.id = moved.api_key_id
  union all
  select 'user', user_id, held_micros + charged_micros
  from usage_quarters join usage_dims on usage_dims.id = dim where user_id is not null
  union all
  select 'user', user_id, held_micros + charged_micros from usage_deltas where user_id is not null
), totals as (
  select scope, subject_id, sum(micros) as micros from sums group by scope, subject_id
)
update meters set usd_day = greatest(usd_day, 0), usd_month = greatest(usd_month, 0),
  videos_day = greatest(videos_day, 0), seconds_month = greatest(seconds_month, 0),
  usd_total = greatest(0, coalesce((
    select micros from totals where totals.scope = meters.scope and totals.subject_id = meters.subject_id
  ), 0));

alter table meters add constraint meters_not_negative check (
  least(usd_day, usd_month, usd_total, videos_day, seconds_month, former_usd_day, former_videos_day, former_usd_month,
    former_seconds_month) >= 0);
