-- Money: every movement is one row with two sides, so that the books balance whatever is written. Amounts are integer
-- micro-dollars. Accounts:
--   held/OWNER    reserved for jobs that have not ended        reserve            its other side
--   spent/OWNER   what videos have cost                        owed/CONNECTION    what a provider will ask for
create table ledger (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('hold', 'release', 'charge', 'correction')),
  debit text not null,
  credit text not null,
  amount_micros bigint not null check (amount_micros > 0),
  owner_id text not null,
  api_key_id text,
  batch_id text,
  connection text not null,
  model text not null,
  job_id text not null,
  note text,
  created_at timestamptz not null,
  constraint ledger_sides check (debit <> credit)
);

-- However often a step is repeated, a job is held, released and charged once.
create unique index ledger_once on ledger (job_id, kind) where kind <> 'correction';
create index ledger_owner on ledger (owner_id, created_at);

create function ledger_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is append-only: correct it with a new entry' using errcode = 'check_violation';
end $$;

create trigger ledger_append_only before update or delete or truncate on ledger
  for each statement execute function ledger_append_only();

-- The sums of the owners' accounts, kept with every entry.
create table balances (
  account text primary key,
  micros bigint not null
) with (fillfactor = 80);

-- The price a job was planned at.
alter table jobs add column rate jsonb;

-- What was there before the ledger: open jobs are held, finished ones have been charged.
insert into ledger (kind, debit, credit, amount_micros, owner_id, api_key_id, batch_id, connection, model, job_id, created_at)
select 'hold', 'held/' || owner_id, 'reserve', estimated_micros, owner_id, api_key_id, batch_id, connection, model, id,
  created_at
from jobs where estimated_micros > 0 and (finished_at is null or cancel_outcome = 'unknown')
order by created_at;

insert into ledger (kind, debit, credit, amount_micros, owner_id, api_key_id, batch_id, connection, model, job_id, created_at)
select 'charge', 'spent/' || owner_id, 'owed/' || connection, charged_micros, owner_id, api_key_id, batch_id, connection,
  model, id, finished_at
from jobs where charged_micros > 0 and finished_at is not null and cancel_outcome is distinct from 'unknown'
order by finished_at;

insert into balances (account, micros) select debit, sum(amount_micros) from ledger group by debit;

-- List prices that operators have set, each from a moment on; what is older stays, for the jobs that were planned by it.
create table prices (
  id text primary key,
  connection text not null,
  model text not null,
  per_second_micros bigint not null check (per_second_micros >= 0),
  by_size jsonb not null default '{}',
  valid_from timestamptz not null,
  created_by text not null,
  created_at timestamptz not null
);

create unique index prices_from on prices (connection, model, valid_from);

-- Every process keeps the prices in memory.
create function prices_notify() returns trigger language plpgsql as $$
begin
  perform pg_notify('prices', '');
  return null;
end $$;

create trigger prices_changed after insert or update or delete on prices
  for each statement execute function prices_notify();
