import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { Json } from '../core/json.ts';
import type { DB } from '../database/schema.ts';
import { endTroubles } from './trouble.repository.ts';
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
  /** Checks by itself so far. */
  count: number;
  dueAt: Date;
  /** The last check by itself went wrong. */
  troubled: boolean;
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

/** What is told of a poll that is due, from `polled`: polls with these columns. */
const DUE = (polled: RawBuilder<unknown>) => sql`
    select jobs.id as "jobId", attempts.number as "attemptNumber", jobs.connection, attempts.operation,
      attempts.plan ->> 'upstreamModel' as model, jobs.seconds, jobs.progress, polled.count,
      polled.due_at as "dueAt", jobs.started_at as "startedAt", jobs.deadline_at as "deadlineAt",
      exists (select from troubles where job_id = jobs.id) as troubled
    from ${polled} as polled
      join jobs on jobs.id = polled.job_id and jobs.stage = 'rendering'
      join attempts on attempts.job_id = jobs.id and attempts.state = 'accepted'
    order by attempts.sent_at desc`;

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
    ) ${DUE(sql`claimed`)}`.execute(db);
  return rows;
}

/** All that are due, newest first, as they are: for the one process that walks through the connection's list. */
export async function findDuePolls(db: Kysely<DB>, connection: string, now: Date): Promise<DuePoll[]> {
  const polled = sql`(select * from polls where connection = ${connection} and due_at <= ${now})`;
  const { rows } = await sql<DuePoll>`${DUE(polled)}`.execute(db);
  return rows;
}

/** Whether at least so many are due. */
export async function isCrowdDue(
  db: Kysely<DB>,
  connection: string,
  now: Date,
  least: number,
): Promise<boolean> {
  const { rows } = await sql`
    select from polls where connection = ${connection} and due_at <= ${now} limit ${least}`.execute(db);
  return rows.length >= least;
}

/** How many videos a connection has in work upstream. */
export async function countPolls(db: Kysely<DB> | Transaction<DB>, connection: string): Promise<number> {
  const { count } = await db
    .selectFrom('polls')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('connection', '=', connection)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Ends all leases: for a process that knows that it is the only one. */
export async function releasePolls(db: Kysely<DB>, now: Date): Promise<void> {
  await db.updateTable('polls').set({ due_at: now }).where('due_at', '>', now).execute();
}

export interface PollOutcome {
  jobId: string;
  progress: number;
  /** Null: as it was, with the next walk through the list. */
  nextAt: Date | null;
  estimatedAt: Date | null;
  /** The provider told how it stands: what it waited for before is over. */
  answered: boolean;
  /** Whether there is anything to write. */
  isNews: boolean;
}

/**
 * Writes back what many checks found, in one go. Progress never goes back; a job without news is not touched. Jobs come
 * before polls, and polls before troubles, as everywhere: a transaction that moves a job holds it when it removes its poll.
 */
export async function recordPolls(write: Write, outcomes: readonly PollOutcome[]): Promise<void> {
  if (outcomes.length === 0) return;
  const { rows } = await sql<{ id: string }>`
    update jobs set progress = found.progress, estimated_at = found.estimated_at, last_error = null,
      place_given_up_at = null, updated_at = ${write.now}
    from unnest(${outcomes.map((outcome) => outcome.jobId)}::text[],
      ${outcomes.map((outcome) => outcome.progress)}::int[],
      ${outcomes.map((outcome) => outcome.estimatedAt)}::timestamptz[],
      ${outcomes.map((outcome) => outcome.answered)}::boolean[]
    ) as found (id, progress, estimated_at, answered)
    where jobs.id = found.id and jobs.stage = 'rendering' and jobs.progress <= found.progress and found.answered
      and (jobs.progress < found.progress or jobs.last_error is not null or jobs.place_given_up_at is not null)
    returning jobs.id`.execute(write.tx);
  const later = outcomes.filter(({ nextAt }) => nextAt !== null);
  if (later.length > 0) {
    await sql`
      update polls set due_at = found.next_at, count = count + 1
      from unnest(
        ${later.map((outcome) => outcome.jobId)}::text[], ${later.map((outcome) => outcome.nextAt)}::timestamptz[]
      ) as found (id, next_at)
      where polls.job_id = found.id`.execute(write.tx);
  }
  await endTroubles(
    write,
    outcomes.filter(({ answered }) => answered).map(({ jobId }) => jobId),
  );
  for (const row of rows) write.changed(row.id);
}
