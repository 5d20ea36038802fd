import { LEDGER_RULES } from '../../src/usage/ledger-check.repository.ts';
import type { Window } from './database.ts';

const CONTRADICTIONS = `
  select 'two live attempts: ' || job_id as problem from attempts where state not in ('rejected', 'orphaned')
    group by job_id having count(*) > 1
  union all select 'two attempts own one operation: ' || operation::text from attempts where operation is not null
    group by connection, operation having count(*) > 1
  union all select 'accepted without an operation: ' || id from attempts where state = 'accepted' and operation is null
  union all select 'completed without an accepted attempt: ' || jobs.id from jobs where status = 'completed'
    and not exists (select from attempts where job_id = jobs.id and state = 'accepted')
  union all select 'ended, but its attempt is still ' || attempts.state || ': ' || jobs.id from jobs
    join attempts on attempts.job_id = jobs.id
    where jobs.stage = 'finished' and attempts.state in ('intended', 'sent', 'unconfirmed')
  union all select 'completed but not settled: ' || id from jobs where status = 'completed' and charged_micros is null
  union all select 'ended but still held: ' || id from jobs where stage = 'finished'
    and cancel_outcome is distinct from 'unknown' and estimated_micros > 0
    and (select count(*) from ledger where job_id = jobs.id and kind in ('hold', 'release')) <> 2
  union all select 'charged otherwise than it says: ' || id from jobs where stage = 'finished'
    and coalesce(charged_micros, 0) <> coalesce((select sum(amount_micros) from ledger where job_id = jobs.id
    and kind = 'charge'), 0)
  union all select 'final events do not fit: ' || jobs.id || ' ' || coalesce(string_agg(events.type, ', '), 'none')
    from jobs left join events on events.job_id = jobs.id
      and events.type in ('job.completed', 'job.failed', 'job.cancelled')
    where jobs.stage = 'finished' group by jobs.id, jobs.status
    having count(*) <> 1 or min(events.type) <> 'job.' || jobs.status`;

/** Rows that contradict each other, in words. */
export async function contradictions(window: Window): Promise<string[]> {
  const found = (await window.query<{ problem: string }>(CONTRADICTIONS)).map(({ problem }) => problem);
  // The books to the micro-dollar, and what is counted against quotas and in reports.
  for (const [rule, query] of Object.entries(LEDGER_RULES)) {
    for (const { what } of await window.query<{ what: string }>(query))
      found.push(`${what}: not so: ${rule}`);
  }
  return found;
}
