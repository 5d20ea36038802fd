-- What clients said about their own retries. A key stands for its first answer for a day; the fingerprint of a
-- request (who asked, where, for what) finds the job of a retry that came without a key.
create table idempotency_keys (
  owner_id text not null references users (id) on delete cascade,
  key text not null,
  fingerprint uuid not null,
  response text not null,
  created_at timestamptz not null,
  primary key (owner_id, key)
);

create index idempotency_keys_age on idempotency_keys (created_at);

alter table jobs add column fingerprint uuid;
create index jobs_fingerprint on jobs (fingerprint) where fingerprint is not null;
