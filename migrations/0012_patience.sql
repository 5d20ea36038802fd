-- What a provider says again and again about a video in work, and since when: a verdict that loses money needs time and
-- several looks, whichever process takes them. A row is there only while the last look went wrong.
create table troubles (
  job_id text primary key references jobs (id) on delete cascade,
  connection text not null,
  -- `gone`: the provider no longer knows the video; `no_file`: it has none, or no usable one; `named`: another reason in
  -- its own words; `other`: it could not be asked.
  kind text not null check (kind in ('gone', 'no_file', 'named', 'other')),
  -- What counts as the same answer.
  reason text not null,
  -- No look went well since then; the same answer since then, and so often.
  since timestamptz not null,
  same_since timestamptz not null,
  looks integer not null default 1,
  -- Since when it has not been one of too many of its connection, which are an outage.
  calm_since timestamptz not null,
  -- The provider's complete list lacked it as well; one that shows it ends the trouble.
  lacked boolean not null default false,
  last_at timestamptz not null
) with (fillfactor = 70);

create index troubles_connection on troubles (connection, kind);

-- What an open job waits for, in words for its owner, and since when it no longer counts among those in work on its
-- connection because of it.
alter table jobs
  add column last_error jsonb,
  add column place_given_up_at timestamptz;

-- One process at a time walks through the list of a connection. Apart from `connections`: admission holds that row, and
-- leaves alone what another one holds.
create table walks (
  connection text primary key,
  -- Who walks, until when at the latest: by the database's time, which all processes share.
  walker text,
  held_until timestamptz not null default '-infinity',
  -- When the next walk is due.
  due_at timestamptz not null default '-infinity',
  -- The video that the walk under way has got to: a successor goes on behind it.
  cursor text
) with (fillfactor = 50);
