import { type Kysely, sql } from 'kysely';
import type { Json } from '../core/json.ts';
import type { DB } from '../database/schema.ts';
import type { Write } from './write.ts';

/** A job in work upstream, with what is needed to ask for it. */
export interface DuePoll {
  jobId: string;
  attemptNumber: number;
  connection: string;
  operation: Json;
  seconds: number;
  progress: number;
  pollCount: number;
  startedAt: Date;
  deadlineAt: Date;
}

/**
 * Takes jobs whose next check is due, by moving it to the end of a lease: a worker that dies is replaced when the lease
 * ends, and two workers never take the same one. Checks are harmless when done twice.
 */
export async function claimDuePolls(
  db: Kysely<DB>,
  connection: string,
  now: Date,
  leaseUntil: Date,
  limit: number,
): Promise<DuePoll[]> {
  const { rows } = await sql<DuePoll>`
    with due as (
      select id from jobs
      where status = 'processing' and stage = 'rendering' and due_at <= ${now} and connection = ${connection}
      order by due_at limit ${limit} for update skip locked
    ), claimed as (
      update jobs set due_at = ${leaseUntil} from due where jobs.id = due.id returning jobs.*
    )
    select claimed.id as "jobId", attempts.number as "attemptNumber", claimed.connection, attempts.operation,
      claimed.seconds, claimed.progress, claimed.poll_count as "pollCount", claimed.started_at as "startedAt",
      claimed.deadline_at as "deadlineAt"
    from claimed join attempts on attempts.job_id = claimed.id and attempts.state = 'accepted'`.execute(db);
  return rows;
}

export interface PollOutcome {
  jobId: string;
  progress: number;
  nextAt: Date;
  estimatedAt: Date | null;
}

/** Writes back what many checks found, in one statement. Progress never goes back. */
export async function recordPolls(write: Write, outcomes: readonly PollOutcome[]): Promise<void> {
  if (outcomes.length === 0) return;
  const { rows } = await sql<{ id: string }>`
    update jobs set due_at = found.next_at, poll_count = poll_count + 1, estimated_at = found.estimated_at,
      progress = greatest(jobs.progress, found.progress), updated_at = ${write.now}
    from unnest(${outcomes.map((outcome) => outcome.jobId)}::text[],
      ${outcomes.map((outcome) => outcome.progress)}::int[],
      ${outcomes.map((outcome) => outcome.nextAt)}::timestamptz[],
      ${outcomes.map((outcome) => outcome.estimatedAt)}::timestamptz[]
    ) as found (id, progress, next_at, estimated_at)
    where jobs.id = found.id and jobs.status = 'processing' and jobs.stage = 'rendering'
    returning jobs.id`.execute(write.tx);
  for (const row of rows) write.changed(row.id);
}
