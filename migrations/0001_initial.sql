-- People and their keys. A key is stored as the SHA-256 of its text; the text is shown once.
create table users (
  id text primary key,
  name text not null,
  role text not null check (role in ('user', 'admin')),
  created_at timestamptz not null
);

create table api_keys (
  id text primary key,
  user_id text not null references users (id) on delete cascade,
  name text not null,
  prefix text not null,
  key_hash text not null unique,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz
);

-- A job: what a user asked for, and where it stands. Routing (connection, upstream model, plan) is decided at
-- creation and stored, never derived. The CHECKs keep impossible rows out whoever writes them.
create table jobs (
  id text primary key,
  owner_id text not null references users (id),
  api_key_id text references api_keys (id) on delete set null,
  batch_id text,
  name text,
  status text not null check (status in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
  stage text not null,
  progress smallint not null default 0 check (progress between 0 and 100),
  priority smallint not null default 0 check (priority between -1 and 1),
  model text not null,
  connection text not null,
  prompt text not null,
  seconds integer not null check (seconds > 0),
  width integer not null check (width > 0),
  height integer not null check (height > 0),
  plan jsonb not null,
  reference_key text,
  reference_type text,
  tags text[] not null default '{}',
  metadata jsonb not null default '{}',
  webhook_url text,
  remixed_from text,
  -- Pending: not to be admitted before. Processing: when its step should have come to an end.
  due_at timestamptz not null,
  tries integer not null default 0,
  -- How often the upstream surely did not take it, throttling aside.
  refusals integer not null default 0,
  deadline_at timestamptz,
  cancel_outcome text check (cancel_outcome in ('not_started', 'cancelled', 'cancelled_billed', 'too_late', 'unknown')),
  error_code text,
  error_message text,
  error_retryable boolean,
  error_charged boolean,
  estimated_micros bigint not null default 0 check (estimated_micros >= 0),
  charged_micros bigint check (charged_micros >= 0),
  result jsonb,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  started_at timestamptz,
  estimated_at timestamptz,
  finished_at timestamptz,
  -- Deleted for its owner while the upstream has not yet said what became of the cancellation.
  deleted_at timestamptz,
  search tsvector generated always as (to_tsvector('simple', coalesce(name, '') || ' ' || prompt)) stored,
  constraint jobs_finished check ((status in ('completed', 'failed', 'cancelled')) = (finished_at is not null)),
  constraint jobs_completed check ((status = 'completed') = (result is not null)),
  constraint jobs_failed check ((status = 'failed') = (error_code is not null)),
  constraint jobs_cancelled check ((status = 'cancelled') = (cancel_outcome is not null)),
  constraint jobs_started check (status <> 'processing' or started_at is not null),
  constraint jobs_deleted check (deleted_at is null or finished_at is not null),
  constraint jobs_full check (status <> 'completed' or progress = 100)
) with (fillfactor = 85);

-- The transition table, for writers that do not go through the application. jobs/job.ts holds the same table;
-- a test compares the two.
create function jobs_check_transition() returns trigger language plpgsql as $$
begin
  if not (
    (old.status = 'pending' and new.status in ('processing', 'failed', 'cancelled'))
    or (old.status = 'processing' and new.status in ('pending', 'completed', 'failed', 'cancelled'))
  ) then
    raise exception 'job % cannot go from % to %', old.id, old.status, new.status
      using errcode = 'check_violation', constraint = 'jobs_transition';
  end if;
  return new;
end $$;

create trigger jobs_transition before update of status on jobs
  for each row when (old.status is distinct from new.status) execute function jobs_check_transition();

-- Every change tells the processes that cache the row.
create function jobs_notify() returns trigger language plpgsql as $$
begin
  perform pg_notify('jobs', old.id);
  return null;
end $$;

create trigger jobs_changed after update or delete on jobs for each row execute function jobs_notify();

-- What the engine looks for.
create index jobs_pending on jobs (connection, priority desc, created_at) where status = 'pending';
create index jobs_running on jobs (connection, owner_id) where status = 'processing';
create index jobs_recent on jobs (connection, finished_at desc) where status = 'completed';
create index jobs_unsettled on jobs (finished_at) where cancel_outcome = 'unknown';
create index jobs_deleted on jobs (deleted_at) where deleted_at is not null;

-- What people look for, always within their own. The owner stands in every index, the inverted ones too: what is common
-- among all may be rare with one.
create extension if not exists btree_gin;

-- All of them leave out what is hidden, so that counting needs no look at the rows themselves.
create index jobs_owner on jobs (owner_id, created_at desc, id desc) where deleted_at is null;
create index jobs_owner_status on jobs (owner_id, status, created_at desc, id desc, model, connection)
  where deleted_at is null;
create index jobs_owner_model on jobs (owner_id, model, created_at desc, id desc) where deleted_at is null;
create index jobs_owner_connection on jobs (owner_id, connection, created_at desc, id desc) where deleted_at is null;
create index jobs_owner_finished on jobs (owner_id, finished_at desc, id desc, created_at, status, model, connection)
  where finished_at is not null and deleted_at is null;
create index jobs_owner_status_finished on jobs (owner_id, status, finished_at desc, id desc)
  where finished_at is not null and deleted_at is null;
create index jobs_batch on jobs (owner_id, batch_id, created_at desc, id desc)
  where batch_id is not null and deleted_at is null;
create index jobs_tags on jobs using gin (owner_id, status, tags) where deleted_at is null;
create index jobs_search on jobs using gin (owner_id, status, search) where deleted_at is null;

-- Each paid call for a job: committed before the call goes out.
create table attempts (
  id text primary key,
  job_id text not null references jobs (id) on delete cascade,
  number integer not null check (number > 0),
  connection text not null,
  state text not null check (state in ('intended', 'sent', 'accepted', 'rejected', 'unconfirmed')),
  plan jsonb not null,
  operation jsonb,
  error_code text,
  error_message text,
  created_at timestamptz not null,
  sent_at timestamptz,
  settled_at timestamptz,
  unique (job_id, number),
  constraint attempts_accepted check ((state = 'accepted') = (operation is not null)),
  constraint attempts_sent check (state = 'intended' or state = 'rejected' or sent_at is not null)
);

-- At most one attempt of a job can have cost money or still cost money.
create unique index attempts_live on attempts (job_id) where state <> 'rejected';
-- An upstream operation belongs to one attempt.
create unique index attempts_operation on attempts (connection, md5(operation::text)) where operation is not null;

-- When to ask the upstream about a job again. Apart from the job, because it changes with every check: a narrow row
-- with one index is cheap to rewrite, a job with all of its indexes is not.
create table polls (
  job_id text primary key references jobs (id) on delete cascade,
  connection text not null,
  due_at timestamptz not null,
  count integer not null default 0
) with (fillfactor = 70);

create index polls_due on polls (connection, due_at);

-- What happened, in order; written in the same transaction as the change it tells of.
create table events (
  id bigint generated always as identity primary key,
  owner_id text not null,
  job_id text,
  type text not null,
  data jsonb not null default '{}',
  created_at timestamptz not null
);

create index events_job on events (job_id, id);

create function events_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the event log is append-only' using errcode = 'check_violation';
end $$;

create trigger events_append_only before update or delete on events
  for each statement execute function events_append_only();
