-- What was used, summed up: reports read these sums and never the jobs. Every change of a job or of the ledger leaves a
-- line in usage_deltas, written by triggers in its own transaction, so that none can be forgotten. Lines are only added,
-- never changed: no two transactions wait for one another, however many jobs of one owner end at once. From time to time
-- usage_fold adds the lines to the sums; a report reads the sums and the lines that are not in them yet.
create table usage_deltas (
  -- The quarter of an hour it counts in: what every time zone's days are made of.
  at timestamptz not null,
  owner_id text not null,
  user_id text,
  api_key_id text,
  batch_id text,
  connection text not null,
  model text not null,
  created integer not null default 0,
  completed integer not null default 0,
  failed integer not null default 0,
  cancelled integer not null default 0,
  -- Of completed videos.
  seconds integer not null default 0,
  estimated_micros bigint not null default 0,
  -- Counts when the job was created, and is taken back there: what is left is held for the jobs of that time.
  held_micros bigint not null default 0,
  -- Charges and corrections, each when it was written; and the corrections among them.
  charged_micros bigint not null default 0,
  corrected_micros bigint not null default 0
);

create function usage_slot(at timestamptz) returns timestamptz language sql immutable parallel safe as $$
  select date_bin('15 minutes', at, '2000-01-01T00:00:00Z')
$$;

-- Whose use it was, of what.
create table usage_dims (
  id integer generated always as identity primary key,
  owner_id text not null,
  user_id text,
  api_key_id text,
  connection text not null,
  model text not null,
  constraint usage_dims_once unique nulls not distinct (owner_id, connection, model, user_id, api_key_id)
);

-- The finest sums there are: what days and other spans are cut from.
create table usage_quarters (
  slot timestamptz not null,
  dim integer not null,
  batch_id text,
  created integer not null,
  completed integer not null,
  failed integer not null,
  cancelled integer not null,
  seconds bigint not null,
  estimated_micros bigint not null,
  held_micros bigint not null,
  charged_micros bigint not null,
  corrected_micros bigint not null,
  constraint usage_quarters_once unique nulls not distinct (slot, dim, batch_id)
) with (fillfactor = 85);

-- Time zones whose days are summed up: UTC, and those that somebody has asked for.
create table usage_zones (
  id smallint generated always as identity primary key,
  name text not null unique
);

insert into usage_zones (name) values ('UTC');

-- Sums by day, of everything and of what was in a batch. What is in no batch is the difference: few rows for the many
-- reports that do not ask for batches.
create table usage_days (
  zone smallint not null,
  day date not null,
  dim integer not null,
  created integer not null,
  completed integer not null,
  failed integer not null,
  cancelled integer not null,
  seconds bigint not null,
  estimated_micros bigint not null,
  held_micros bigint not null,
  charged_micros bigint not null,
  corrected_micros bigint not null,
  primary key (zone, day, dim)
) with (fillfactor = 85);

create table usage_batches (
  zone smallint not null,
  day date not null,
  batch_id text not null,
  dim integer not null,
  created integer not null,
  completed integer not null,
  failed integer not null,
  cancelled integer not null,
  seconds bigint not null,
  estimated_micros bigint not null,
  held_micros bigint not null,
  charged_micros bigint not null,
  corrected_micros bigint not null,
  primary key (zone, day, batch_id, dim)
) with (fillfactor = 85);

-- Adds what has been noted to the sums. One at a time; says how many lines it took, null when another is at it.
create function usage_fold() returns bigint language plpgsql set enable_nestloop to off as $$
declare
  folded bigint;
begin
  if not pg_try_advisory_xact_lock(hashtext('sora usage_fold')) then
    return null;
  end if;
  with taken as (
    delete from usage_deltas returning *
  ), lines as materialized (
    select at, owner_id, user_id, api_key_id, connection, model, batch_id,
      sum(created) as created, sum(completed) as completed, sum(failed) as failed, sum(cancelled) as cancelled,
      sum(seconds) as seconds, sum(estimated_micros) as estimated_micros, sum(held_micros) as held_micros,
      sum(charged_micros) as charged_micros, sum(corrected_micros) as corrected_micros
    from taken group by 1, 2, 3, 4, 5, 6, 7
  ), wanted as (
    select distinct owner_id, user_id, api_key_id, connection, model from lines
  ), named as (
    insert into usage_dims (owner_id, user_id, api_key_id, connection, model)
    select owner_id, user_id, api_key_id, connection, model from wanted
    on conflict on constraint usage_dims_once do nothing returning *
  ), dims as (
    table named union all table usage_dims
  ), facts as materialized (
    select dims.id as dim, at, batch_id, created, completed, failed, cancelled, seconds,
      estimated_micros, held_micros, charged_micros, corrected_micros
    from lines join dims on dims.owner_id = lines.owner_id and dims.connection = lines.connection
      and dims.model = lines.model and coalesce(dims.user_id, '') = coalesce(lines.user_id, '')
      and coalesce(dims.api_key_id, '') = coalesce(lines.api_key_id, '')
  ), quarters as (
    insert into usage_quarters as old
    select at, dim, batch_id, created, completed, failed, cancelled, seconds,
      estimated_micros, held_micros, charged_micros, corrected_micros
    from facts
    on conflict on constraint usage_quarters_once do update
    set created = old.created + excluded.created, completed = old.completed + excluded.completed,
      failed = old.failed + excluded.failed, cancelled = old.cancelled + excluded.cancelled,
      seconds = old.seconds + excluded.seconds,
      estimated_micros = old.estimated_micros + excluded.estimated_micros,
      held_micros = old.held_micros + excluded.held_micros,
      charged_micros = old.charged_micros + excluded.charged_micros,
      corrected_micros = old.corrected_micros + excluded.corrected_micros
  ), days as (
    insert into usage_days as old
    select zones.id, (at at time zone zones.name)::date, dim,
      sum(created), sum(completed), sum(failed), sum(cancelled), sum(seconds), sum(estimated_micros), sum(held_micros),
      sum(charged_micros), sum(corrected_micros)
    from facts cross join usage_zones as zones group by 1, 2, 3
    on conflict (zone, day, dim) do update
    set created = old.created + excluded.created, completed = old.completed + excluded.completed,
      failed = old.failed + excluded.failed, cancelled = old.cancelled + excluded.cancelled,
      seconds = old.seconds + excluded.seconds,
      estimated_micros = old.estimated_micros + excluded.estimated_micros,
      held_micros = old.held_micros + excluded.held_micros,
      charged_micros = old.charged_micros + excluded.charged_micros,
      corrected_micros = old.corrected_micros + excluded.corrected_micros
  ), batches as (
    insert into usage_batches as old
    select zones.id, (at at time zone zones.name)::date, batch_id, dim,
      sum(created), sum(completed), sum(failed), sum(cancelled), sum(seconds), sum(estimated_micros), sum(held_micros),
      sum(charged_micros), sum(corrected_micros)
    from facts cross join usage_zones as zones where batch_id is not null group by 1, 2, 3, 4
    on conflict (zone, day, batch_id, dim) do update
    set created = old.created + excluded.created, completed = old.completed + excluded.completed,
      failed = old.failed + excluded.failed, cancelled = old.cancelled + excluded.cancelled,
      seconds = old.seconds + excluded.seconds,
      estimated_micros = old.estimated_micros + excluded.estimated_micros,
      held_micros = old.held_micros + excluded.held_micros,
      charged_micros = old.charged_micros + excluded.charged_micros,
      corrected_micros = old.corrected_micros + excluded.corrected_micros
  )
  select count(*) into folded from taken;
  return folded;
end $$;

-- Sums up the days of another time zone, from now on too. False when there are as many as may be: every one of them is
-- work for each fold.
create function usage_add_zone(zone_name text) returns boolean language plpgsql as $$
declare
  added smallint;
begin
  perform pg_advisory_xact_lock(hashtext('sora usage_fold'));
  if (select count(*) from usage_zones) >= 24 then
    return false;
  end if;
  insert into usage_zones (name) values (zone_name) on conflict do nothing returning id into added;
  if added is null then
    return true;
  end if;
  insert into usage_days
  select added, (slot at time zone zone_name)::date, dim,
    sum(created), sum(completed), sum(failed), sum(cancelled), sum(seconds), sum(estimated_micros), sum(held_micros),
    sum(charged_micros), sum(corrected_micros)
  from usage_quarters group by 2, 3;
  insert into usage_batches
  select added, (slot at time zone zone_name)::date, batch_id, dim,
    sum(created), sum(completed), sum(failed), sum(cancelled), sum(seconds), sum(estimated_micros), sum(held_micros),
    sum(charged_micros), sum(corrected_micros)
  from usage_quarters where batch_id is not null group by 2, 3, 4;
  analyze usage_days, usage_batches;
  return true;
end $$;

-- Jobs that were made: one line for each kind in a statement, however many jobs it inserts. What was imported was made
-- and paid for elsewhere.
create function usage_note_created() returns trigger language plpgsql as $$
begin
  insert into usage_deltas (at, owner_id, user_id, api_key_id, batch_id, connection, model, created, estimated_micros)
  select usage_slot(created_at), owner_id, user_id, api_key_id, batch_id, connection, model, count(*),
    sum(estimated_micros)
  from inserted where imported_at is null
  group by 1, 2, 3, 4, 5, 6, 7;
  return null;
end $$;

create trigger jobs_usage_created after insert on jobs referencing new table as inserted
  for each statement execute function usage_note_created();

create function usage_note_ended() returns trigger language plpgsql as $$
begin
  insert into usage_deltas (at, owner_id, user_id, api_key_id, batch_id, connection, model, completed, failed, cancelled,
    seconds)
  values (usage_slot(new.finished_at), new.owner_id, new.user_id, new.api_key_id, new.batch_id, new.connection, new.model,
    (new.status = 'completed')::integer, (new.status = 'failed')::integer, (new.status = 'cancelled')::integer,
    case when new.status = 'completed' then new.seconds else 0 end);
  return null;
end $$;

-- Its condition costs the many other updates nothing.
create trigger jobs_usage_ended after update of finished_at on jobs for each row
  when (old.finished_at is null and new.finished_at is not null and new.imported_at is null)
  execute function usage_note_ended();

-- Money comes from the ledger alone. The few rows of a statement find their jobs one by one, by key: LIMIT keeps the planner
-- from joining whole tables.
create function usage_note_entries() returns trigger language plpgsql as $$
begin
  -- Most statements make videos that cost nothing, or end them.
  if not exists (select from entries) then
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
  group by 1, 2, 3, 4, 5, 6, 7;
  return null;
end $$;

create trigger ledger_usage after insert on ledger referencing new table as entries
  for each statement execute function usage_note_entries();

select set_config('work_mem', '64MB', true);

-- What is there: jobs that still are, and every entry. Up to now whoever owned a video had asked for it.
insert into usage_deltas (at, owner_id, user_id, api_key_id, batch_id, connection, model, created, estimated_micros)
select usage_slot(created_at), owner_id, user_id, api_key_id, batch_id, connection, model, count(*), sum(estimated_micros)
from jobs where imported_at is null group by 1, 2, 3, 4, 5, 6, 7;

insert into usage_deltas (at, owner_id, user_id, api_key_id, batch_id, connection, model, completed, failed, cancelled,
  seconds)
select usage_slot(finished_at), owner_id, user_id, api_key_id, batch_id, connection, model,
  count(*) filter (where status = 'completed'), count(*) filter (where status = 'failed'),
  count(*) filter (where status = 'cancelled'), coalesce(sum(seconds) filter (where status = 'completed'), 0)
from jobs where imported_at is null and finished_at is not null group by 1, 2, 3, 4, 5, 6, 7;

insert into usage_deltas (at, owner_id, user_id, api_key_id, batch_id, connection, model, held_micros, charged_micros,
  corrected_micros)
select usage_slot(coalesce(hold.created_at, entry.created_at)), entry.owner_id, coalesce(jobs.user_id, owners.id),
  case when hold.id is null then entry.api_key_id else hold.api_key_id end, entry.batch_id, entry.connection, entry.model,
  sum(case entry.kind when 'hold' then entry.amount_micros when 'release' then -entry.amount_micros else 0 end),
  sum(case when entry.kind in ('hold', 'release') then 0 when entry.debit like 'spent/%' then entry.amount_micros
    else -entry.amount_micros end),
  sum(case when entry.kind <> 'correction' then 0 when entry.debit like 'spent/%' then entry.amount_micros
    else -entry.amount_micros end)
from ledger as entry
left join jobs on jobs.id = entry.job_id
left join owners on owners.id = entry.owner_id and owners.kind = 'user'
left join ledger as hold on entry.kind = 'release' and hold.job_id = entry.job_id and hold.kind = 'hold'
group by 1, 2, 3, 4, 5, 6, 7;

select usage_fold();
analyze usage_dims, usage_quarters, usage_days, usage_batches;

-- Looking through the whole ledger by time, by kind and by connection.
create index ledger_connection on ledger (connection, created_at);
create index ledger_job on ledger (job_id);
-- An admin's look at all jobs, the latest first; people's lists have the owner in every index.
create index jobs_all on jobs (created_at desc, id desc);
create index jobs_user on jobs (user_id, created_at desc, id desc);
create index audit_log_action on audit_log (action, at desc);

-- The last proof of the books, of whichever process: it is heavy, and everybody's figures show it.
create table ledger_checks (
  id boolean primary key default true check (id),
  checked_at timestamptz not null,
  took_ms integer not null,
  entries bigint not null,
  imbalance_micros bigint not null,
  problems jsonb not null
);

-- The attempt that a line of a provider's bill names.
create index attempts_operation_id on attempts (connection, md5(operation ->> 'id')) where operation is not null;
