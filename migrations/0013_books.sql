-- A job leaves only when nothing depends on it any more: not its hold, not what may still run upstream for it. Whatever deletes
-- it, the cascade of another row or a person with psql, is refused here.
create function jobs_keep_unsettled() returns trigger language plpgsql as $$
begin
  if old.finished_at is null then
    raise exception 'the job % is open: cancel it first', old.id using errcode = 'check_violation';
  end if;
  if exists (
    select from attempts where job_id = old.id
      and (duty is not null or (state in ('sent', 'unconfirmed') and stop_outcome is null))
  ) then
    raise exception 'the job % may still run upstream: it stays until that is known', old.id
      using errcode = 'check_violation';
  end if;
  if exists (select from ledger where job_id = old.id and kind = 'hold')
    and not exists (select from ledger where job_id = old.id and kind = 'release') then
    raise exception 'the job % is still held for in the books: it stays until it is settled', old.id
      using errcode = 'check_violation';
  end if;
  return old;
end $$;

create trigger jobs_keep_unsettled before delete on jobs for each row execute function jobs_keep_unsettled();

-- Jobs that their owners deleted while something still depended on them.
create index jobs_hidden on jobs (deleted_at) where deleted_at is not null and trashed_at is null;

-- Jobs that ended in doubt before there were duties: they were given up.
update attempts set stop_outcome = 'written_off'
from jobs
where jobs.id = attempts.job_id and jobs.finished_at is not null and attempts.duty is null
  and attempts.stop_outcome is null and attempts.state in ('sent', 'unconfirmed');
