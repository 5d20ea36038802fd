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
  model: string;
  seconds: number;
  progress: number;
  /** Checks so far. */
  count: number;
  startedAt: Date;
  deadlineAt: Date;
}

/** From now on the job is asked about, first at `dueAt`. */
export async function beginPolls(
  write: Write,
  jobId: string,
  connection: string,
  dueAt: Date,
): Promise<void> {
  await write.tx
    .insertInto('polls')
    .values({ job_id: jobId, connection, due_at: dueAt })
    .onConflict((conflict) => conflict.column('job_id').doUpdateSet({ due_at: dueAt }))
    .execute();
}

/**
 * Takes jobs whose next check is due, by moving it to the end of a lease: a worker that dies is replaced when the lease
 * ends, and two workers never take the same one. Checks are harmless when done twice. Newest first, as lists are.
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
      select job_id from polls where connection = ${connection} and due_at <= ${now}
      order by due_at limit ${limit} for update skip locked
    ), claimed as (
      update polls set due_at = ${leaseUntil} from due where polls.job_id = due.job_id returning polls.*
    )
    select jobs.id as "jobId", attempts.number as "attemptNumber", jobs.connection, attempts.operation,
      attempts.plan ->> 'upstreamModel' as model, jobs.seconds, jobs.progress, claimed.count,
      jobs.started_at as "startedAt", jobs.deadline_at as "deadlineAt"
    from claimed
      join jobs on jobs.id = claimed.job_id and jobs.stage = 'rendering'
      join attempts on attempts.job_id = jobs.id and attempts.state = 'accepted'
    order by attempts.sent_at desc`.execute(db);
  return rows;
}

/** Ends all leases: for a process that knows that it is the only one. */
export async function releasePolls(db: Kysely<DB>, now: Date): Promise<void> {
  await db.updateTable('polls').set({ due_at: now }).where('due_at', '>', now).execute();
}

export interface PollOutcome {
  jobId: string;
  progress: number;
  nextAt: Date;
  estimatedAt: Date | null;
}

/**
 * Writes back what many checks found, in one go. Progress never goes back; a job without news is not touched. Jobs come
 * before polls, as everywhere: whoever moves a job holds it when it removes its poll.
 */
export async function recordPolls(write: Write, outcomes: readonly PollOutcome[]): Promise<void> {
  if (outcomes.length === 0) return;
  const ids = outcomes.map((outcome) => outcome.jobId);
  const { rows } = await sql<{ id: string }>`
    update jobs set progress = found.progress, estimated_at = found.estimated_at, updated_at = ${write.now}
    from unnest(${ids}::text[],
      ${outcomes.map((outcome) => outcome.progress)}::int[],
      ${outcomes.map((outcome) => outcome.estimatedAt)}::timestamptz[]
    ) as found (id, progress, estimated_at)
    where jobs.id = found.id and jobs.stage = 'rendering' and jobs.progress < found.progress
    returning jobs.id`.execute(write.tx);
  await sql`
    update polls set due_at = found.next_at, count = count + 1
    from unnest(${ids}::text[], ${outcomes.map((outcome) => outcome.nextAt)}::timestamptz[]) as found (id, next_at)
    where polls.job_id = found.id`.execute(write.tx);
  for (const row of rows) write.changed(row.id);
}

/** How long videos of one model took lately, in ms from admission to the upstream's end. */
export interface RunTimes {
  /** Almost none was done before. */
  early: number;
  usual: number;
}

/** So many runs make a picture; so many of the connection's latest are looked through for them. */
const SAMPLE = 50;
const LATEST = 2000;

/** Learned from the latest finished videos of a model and length; undefined while there are too few. */
export async function findRunTimes(
  db: Kysely<DB>,
  connection: string,
  model: string,
  seconds: number,
): Promise<RunTimes | undefined> {
  const { rows } = await sql<{ early: number; usual: number; runs: number }>`
    with latest as (
      select id, started_at, seconds, plan ->> 'upstreamModel' as model from jobs
      where connection = ${connection} and status = 'completed' order by finished_at desc limit ${LATEST}
    ), sample as (
      select id, started_at from latest where model = ${model} and seconds = ${seconds} limit ${SAMPLE}
    ), runs as (
      select extract(epoch from done.created_at - sample.started_at)::float8 * 1000 as took
      from sample join events as done on done.job_id = sample.id and done.type = 'job.rendered'
    )
    select percentile_cont(0.05) within group (order by took) as early,
      percentile_cont(0.5) within group (order by took) as usual, count(*) as runs
    from runs`.execute(db);
  const [row] = rows;
  return row && row.runs >= 5 ? { early: row.early, usual: row.usual } : undefined;
}
