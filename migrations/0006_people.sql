-- Whose a thing is: a person's own, or a team's. Libraries and budgets belong to owners; who asked for a video is kept apart.
create table owners (
  id text primary key,
  kind text not null check (kind in ('user', 'team'))
);

alter table users
  add column email text,
  add column email_verified boolean not null default false,
  add column image text,
  add column updated_at timestamptz,
  -- Locked out by an admin: no credential of theirs works any more.
  add column disabled_at timestamptz;

update users set updated_at = created_at;
alter table users alter column updated_at set default now(), alter column updated_at set not null;
alter table users alter column role set default 'user', alter column created_at set default now();

-- One account for an address, however it is written.
create unique index users_email on users (lower(email));

create table teams (
  id text primary key,
  name text not null,
  slug text not null unique,
  created_at timestamptz not null default now()
);

create table team_members (
  id text primary key,
  team_id text not null references teams (id) on delete cascade,
  user_id text not null references users (id) on delete cascade,
  role text not null check (role in ('owner', 'admin', 'member')),
  created_at timestamptz not null default now(),
  unique (team_id, user_id)
);

create index team_members_user on team_members (user_id);

-- Every user and every team is an owner, whoever writes them.
create function owners_add() returns trigger language plpgsql as $$
begin
  -- It fires before a conflict is noticed, too: for what is there already.
  insert into owners (id, kind) values (new.id, tg_argv[0]) on conflict (id) do nothing;
  return new;
end $$;

insert into owners (id, kind) select id, 'user' from users;
create trigger users_owner before insert on users for each row execute function owners_add('user');
create trigger teams_owner before insert on teams for each row execute function owners_add('team');

alter table idempotency_keys
  drop constraint idempotency_keys_owner_id_fkey,
  add constraint idempotency_keys_owner_id_fkey foreign key (owner_id) references owners (id) on delete cascade;
alter table collections
  drop constraint collections_owner_id_fkey,
  add constraint collections_owner_id_fkey foreign key (owner_id) references owners (id) on delete cascade;
alter table assets
  drop constraint assets_owner_id_fkey,
  add constraint assets_owner_id_fkey foreign key (owner_id) references owners (id) on delete cascade;
alter table batches
  drop constraint batches_owner_id_fkey,
  add constraint batches_owner_id_fkey foreign key (owner_id) references owners (id);
alter table jobs
  drop constraint jobs_owner_id_fkey,
  add constraint jobs_owner_id_fkey foreign key (owner_id) references owners (id),
  -- Who asked for it here; null: it was imported.
  add column user_id text references users (id);

-- Up to now everybody worked for themselves. Nobody needs to be told of each row.
alter table jobs disable trigger jobs_changed;
update jobs set user_id = owner_id where imported_at is null;
alter table jobs enable trigger jobs_changed;

-- What a key may do, for whom, and up to what amount.
alter table api_keys
  add column owner_id text references owners (id) on delete cascade,
  add column scopes text[] not null default '{}',
  -- The models it may ask for; null: every one.
  add column models text[],
  add column spend_cap_micros bigint check (spend_cap_micros >= 0),
  add column last_used_at timestamptz;

update api_keys set owner_id = user_id, scopes = '{videos:read,videos:write,keys,webhooks,admin}';
alter table api_keys alter column owner_id set not null;
create index api_keys_owner on api_keys (owner_id, created_at desc);

-- What people with power did, and when somebody looked at what is another's.
create table audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  -- Who; null: the system or nobody known.
  actor_id text,
  -- With which credential: an API key, a session.
  credential_id text,
  address text,
  action text not null,
  -- What it was done to, such as a user's or a job's id.
  subject_id text,
  details jsonb not null default '{}'
);

create index audit_log_at on audit_log (at desc, id desc);
create index audit_log_actor on audit_log (actor_id, at desc);
create index audit_log_subject on audit_log (subject_id, at desc);

create function audit_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log is append-only' using errcode = 'check_violation';
end $$;

create trigger audit_append_only before update or delete or truncate on audit_log
  for each statement execute function audit_append_only();
