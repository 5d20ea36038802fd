-- Keys that take one another's place, people known by outside tokens, and telling every process what to forget.

-- A user or team that is there already (`on conflict do nothing`) is an owner already.
create or replace function owners_add() returns trigger language plpgsql as $$
begin
  insert into owners (id, kind) values (new.id, tg_argv[0]) on conflict (id) do nothing;
  return new;
end $$;

alter table api_keys
  add column rotated_from text references api_keys (id) on delete set null,
  -- The first key of a line of rotations, null for that key itself: what they spend counts as one key's.
  add column family_id text;

create index api_keys_user on api_keys (user_id, id desc);
-- A key is followed by one other at the most.
create unique index api_keys_rotated_from on api_keys (rotated_from);

-- Who an issuer's `sub` is here.
create table outside_identities (
  issuer text not null,
  subject text not null,
  user_id text not null references users (id) on delete cascade,
  created_at timestamptz not null,
  primary key (issuer, subject)
);

create index outside_identities_user on outside_identities (user_id);

-- Every process remembers for a moment who a credential belongs to. The moment it was last used is no change.
create function credentials_notify() returns trigger language plpgsql as $$
begin
  perform pg_notify('credentials', '');
  return null;
end $$;

create trigger api_keys_credentials
  after update of key_hash, user_id, owner_id, scopes, models, spend_cap_micros, expires_at, revoked_at or delete
  on api_keys for each statement execute function credentials_notify();
create trigger users_credentials after update of role, disabled_at or delete on users
  for each statement execute function credentials_notify();
create trigger team_members_credentials after update or delete on team_members
  for each statement execute function credentials_notify();
