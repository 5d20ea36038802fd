-- How fast a connection may be asked, shared by all processes: what its upstream taught us, and what is left of its
-- calls per minute. A row appears when the connection first admits a job.
create table connections (
  name text primary key,
  -- How many videos may be in work at once; null while the upstream has not asked for less than the configured limit.
  allowed double precision check (allowed >= 1),
  slowed_at timestamptz,
  blocked_until timestamptz,
  tokens double precision not null,
  refilled_at timestamptz not null
);

-- Notifications say where a job has got to, so that only those who care wake up; for a change within a stage it is empty.
create or replace function jobs_notify() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and new.stage is distinct from old.stage then
    perform pg_notify('jobs', old.id || ' ' || new.stage);
  else
    perform pg_notify('jobs', old.id || ' ');
  end if;
  return null;
end $$;
