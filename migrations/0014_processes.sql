-- Who is at work on this database. A row is written at the start, refreshed every few seconds, and stays for a while after.
create table processes (
  id text primary key,
  role text not null,
  version text not null,
  host text not null,
  pid integer not null,
  -- All times here are the database's.
  started_at timestamptz not null,
  seen_at timestamptz not null,
  -- By how much the clock of its machine is ahead of the database's.
  skew_ms double precision not null default 0,
  -- Since when it takes no new work and hears what is under way to its end.
  draining_at timestamptz,
  -- A clean stop.
  stopped_at timestamptz
);

-- Which process serves which connection, and when it last said so. A connection that no process has served for an hour is
-- gone, whatever the configuration of the process that looks.
create table connection_workers (
  connection text not null,
  process_id text not null references processes (id) on delete cascade,
  first_served_at timestamptz not null,
  last_served_at timestamptz not null,
  primary key (connection, process_id)
);

create index connection_workers_process on connection_workers (process_id);

-- What one process does for all: whoever holds the lease, until it ends. One that stands still loses it; a lock of its session
-- would stay with it. Times are the database's own.
create table leases (
  name text primary key,
  holder text not null,
  until timestamptz not null
);
