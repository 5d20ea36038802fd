-- Who is next, found at the head of each queue: a lane is what one person asked for in one name with one key, in the order of
-- its turn. One index entry a lane is looked at, however long it is.
create index jobs_lanes on jobs (
  connection, (coalesce(user_id, owner_id) collate "C"), owner_id collate "C", (coalesce(api_key_id, '') collate "C"),
  priority desc, created_at, id
) where status = 'pending';
drop index jobs_pending;

-- When a person's last video was admitted to a connection: among those with as many in work, turns go round.
create table turns (
  connection text not null,
  person_id text not null references owners (id) on delete cascade,
  taken_at timestamptz not null,
  primary key (connection, person_id)
) with (fillfactor = 70);

-- For clients' retries without a key: which tries of its request a job has answered, and when last. A first try that was
-- answered as soon as the job was made has no row. Kept for a day, without ties to the job: a row may come before it.
create table client_retries (
  job_id text primary key,
  retry_counts integer[] not null,
  answered_at timestamptz not null
);

create index client_retries_age on client_retries (answered_at);

-- Commits that notify wait for one another, so a change of a job leaves a line here instead, and the processes send the lines
-- on, many in one commit. A crash of the server empties it, and ends every listener with it: those forget what they cached.
create unlogged table job_changes (
  id bigint generated always as identity primary key,
  job_id text not null,
  -- Where the job has got to; empty for a change within a stage.
  stage text not null
) with (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, autovacuum_analyze_threshold = 1000000);

create or replace function jobs_notify() returns trigger language plpgsql as $$
begin
  insert into job_changes (job_id, stage)
    values (old.id, case when tg_op = 'UPDATE' and new.stage is distinct from old.stage then new.stage else '' end);
  return null;
end $$;
