-- Signed-in browsers. Of the token in the cookie only the SHA-256 is kept.
create table sessions (
  id text primary key,
  user_id text not null references users (id) on delete cascade,
  token_hash text not null unique,
  expires_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  address text,
  user_agent text,
  -- The team whose library it works in; null: the person's own. Counts only while they are a member.
  active_team_id text references teams (id) on delete set null
);

create index sessions_user on sessions (user_id, created_at desc);

-- How a person signs in: `credential` with a password, or an identity at an issuer. None of an issuer's tokens is kept.
create table accounts (
  id text primary key,
  user_id text not null references users (id) on delete cascade,
  provider_id text not null,
  account_id text not null,
  -- scrypt, with a salt of its own.
  password text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  unique (provider_id, account_id)
);

create index accounts_user on accounts (user_id);

-- Short-lived one-time values: password resets, sign-ins under way at an issuer. Their names are hashes of what was handed out.
create table verifications (
  id text primary key,
  identifier text not null,
  value text not null,
  expires_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);

create unique index verifications_identifier on verifications (identifier);
create index verifications_expiry on verifications (expires_at);

-- Who may become a user: invited by an admin, or by themselves, until they prove their address.
create table invitations (
  id text primary key,
  email text not null,
  token_hash text not null unique,
  -- Null: they asked themselves. Then name and password are what they typed.
  invited_by text references users (id) on delete cascade,
  name text,
  password text,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  check ((invited_by is null) = (password is not null))
);

create index invitations_email on invitations (lower(email));

create table team_invitations (
  id text primary key,
  team_id text not null references teams (id) on delete cascade,
  email text not null,
  role text not null check (role in ('owner', 'admin', 'member')),
  invited_by text not null references users (id) on delete cascade,
  created_at timestamptz not null,
  expires_at timestamptz not null
);

-- Asked again it is the same invitation, from then on.
create unique index team_invitations_email on team_invitations (team_id, lower(email));
create index team_invitations_person on team_invitations (lower(email));

-- Attempts to sign in, by who was tried and from where: what slows guessing down, on every machine.
create table sign_in_attempts (
  key text primary key,
  attempts integer not null,
  -- As many at once are nothing unusual; from then on each one has to wait twice as long as the one before.
  allowed integer not null,
  last_at timestamptz not null,
  blocked_until timestamptz
);

create index sign_in_attempts_last on sign_in_attempts (last_at);

-- Whoever changes what a session may do tells every process, in the moment it commits: none goes on believing.
create function accounts_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('accounts', case when tg_table_name = 'users' then old.id else to_jsonb(old) ->> 'user_id' end);
  return null;
end $$;

create trigger users_changed after update of role, disabled_at or delete on users
  for each row execute function accounts_changed();
create trigger sessions_changed after update of expires_at, active_team_id or delete on sessions
  for each row execute function accounts_changed();
create trigger team_members_changed after update or delete on team_members
  for each row execute function accounts_changed();
