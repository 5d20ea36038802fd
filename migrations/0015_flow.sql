-- Who is next, found at the head of each queue: a lane is what one person asked for in one name with one key, in the order of
-- its turn. One index entry a lane is looked at, however long it is.
create index jobs_lanes on jobs (
  connection, (coalesce(user_id, owner_id)), owner_id, (coalesce(api_key_id, '')), priority desc, created_at, id
) where status = 'pending';
drop index jobs_pending;

-- When a person's last video was admitted to a connection: among those with as many in work, turns go round.
create table turns (
  connection text not null,
  person_id text not null references owners (id) on delete cascade,
  taken_at timestamptz not null,
  primary key (connection, person_id)
) with (fillfactor = 70);
