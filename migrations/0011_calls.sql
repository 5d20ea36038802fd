-- Every paid call is a row, the calls of a repetition too: committed before it goes out, with when it ends at the latest.
-- Nothing is concluded about an attempt (absent, withdrawn, an operator's word) while one of its calls may be alive.
create table calls (
  id bigint generated always as identity primary key,
  attempt_id text not null references attempts (id) on delete cascade,
  number integer not null check (number > 0),
  sent_at timestamptz not null,
  -- Past this time its process has given it up, whether it still lives or not.
  ends_at timestamptz not null,
  ended_at timestamptz,
  -- accepted: the answer named an operation. refused: a no to this very request. turned_away: a no that may pass (busy,
  -- unreachable, credential). not_sent: proved by the process that was to make it. lost: no answer to act on.
  outcome text check (outcome in ('accepted', 'refused', 'turned_away', 'not_sent', 'lost')),
  unique (attempt_id, number),
  constraint calls_ended check ((ended_at is null) = (outcome is null))
);

create index calls_alive on calls (ends_at) where ended_at is null;

-- Calls of attempts that were made before they were written down. The longest time-out that can be configured is unknown
-- here: ten minutes are more than any answer was waited for.
insert into calls (attempt_id, number, sent_at, ends_at, ended_at, outcome)
select id, 1, sent_at, sent_at + interval '10 minutes',
  case when state <> 'sent' then coalesce(settled_at, sent_at) end,
  case state when 'accepted' then 'accepted' when 'rejected' then 'refused' when 'unconfirmed' then 'lost' end
from attempts where sent_at is not null and state <> 'intended';

-- What an attempt owes: something may run upstream for it that nothing here waits for any more. It belongs to the attempt,
-- whatever became of its job, until the upstream has answered or it is written off.
alter table attempts
  add column duty text check (duty in ('stop')),
  add column duty_at timestamptz,
  -- When the upstream was told to stop: a video that it no longer knows afterwards has been stopped.
  add column stop_sent_at timestamptz,
  add column stop_outcome text
    check (stop_outcome in ('not_started', 'cancelled', 'cancelled_billed', 'too_late', 'written_off')),
  -- What the last look into the provider's list saw, for an operator who has to decide.
  add column evidence jsonb,
  add constraint attempts_duty check (duty is null or duty_at is not null);

-- orphaned: the upstream took it after it had been concluded that it had not.
alter table attempts drop constraint attempts_state_check;
alter table attempts add constraint attempts_state_check
  check (state in ('intended', 'sent', 'accepted', 'rejected', 'unconfirmed', 'orphaned'));
alter table attempts drop constraint attempts_accepted;
alter table attempts add constraint attempts_accepted
  check ((state in ('accepted', 'orphaned')) = (operation is not null));
drop index attempts_live;
create unique index attempts_live on attempts (job_id) where state not in ('rejected', 'orphaned');

create index attempts_duty on attempts (duty_at) where duty is not null;
-- Attempts whose videos a list may show without anybody having claimed them.
create index attempts_doubtful on attempts (connection) where state in ('sent', 'unconfirmed');
-- The latest accepted ones: they tell how the provider's clock runs and whether its list is complete.
create index attempts_landmarks on attempts (connection, settled_at desc) where state = 'accepted';

-- Cancelled jobs whose upstream has not answered yet.
update attempts set duty = 'stop', duty_at = jobs.finished_at
from jobs where jobs.id = attempts.job_id and jobs.cancel_outcome = 'unknown' and attempts.state <> 'rejected';

-- written_off: the upstream never answered; the hold is released, and what it may have cost stands under orphaned/CONNECTION.
alter table jobs drop constraint jobs_cancel_outcome_check;
alter table jobs add constraint jobs_cancel_outcome_check check (
  cancel_outcome in ('not_started', 'cancelled', 'cancelled_billed', 'too_late', 'unknown', 'written_off'));

-- Operations of attempts that were deleted with their jobs: a provider's list still shows their videos for a while, and
-- they are not the ones that are looked for.
create table former_operations (
  connection text not null,
  operation_hash text not null,
  deleted_at timestamptz not null,
  primary key (connection, operation_hash)
);

create index former_operations_age on former_operations (deleted_at);

create function attempts_remember_operation() returns trigger language plpgsql as $$
begin
  insert into former_operations (connection, operation_hash, deleted_at)
  values (old.connection, md5(old.operation::text), clock_timestamp())
  on conflict do nothing;
  return null;
end $$;

create trigger attempts_forgotten after delete on attempts
  for each row when (old.operation is not null) execute function attempts_remember_operation();

-- orphan: what a provider charges, or may charge, for work that no job pays for. It stands on the connection's account
-- orphaned/CONNECTION, once for an attempt.
alter table ledger add column attempt_id text;
alter table ledger drop constraint ledger_kind_check;
alter table ledger add constraint ledger_kind_check
  check (kind in ('hold', 'release', 'charge', 'correction', 'orphan'));
alter table ledger add constraint ledger_orphan check ((kind = 'orphan') = (attempt_id is not null));
drop index ledger_once;
create unique index ledger_once on ledger (job_id, kind) where kind not in ('correction', 'orphan');
create unique index ledger_orphans on ledger (attempt_id) where kind = 'orphan';
