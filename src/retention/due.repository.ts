import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../database/open.ts';
import { appendEvents } from '../events/events.repository.ts';
import { lockAttemptsOf } from '../jobs/attempts.repository.ts';
import { deleteSettled } from '../jobs/deletion.repository.ts';
import { type JobResult, resultOf } from '../jobs/job.ts';
import type { Write } from '../jobs/write.ts';
import { DAY_MS, type RetentionRules, type VideoRule } from './rules.ts';

// The rules of `rules.ts`, said in SQL. All of it are plain conditions on a row of `jobs`, so that PostgreSQL asks them
// again about a row that somebody changed between its being found and its being locked.

/** A video is as old as its stay here. */
const AGED_AT = sql`greatest(finished_at, imported_at)`;

/** Finished, not pinned, and nothing needs it any more. What is hidden without being in the trash waits for an answer. */
const FREE = sql`finished_at is not null and not pinned and cancel_outcome is distinct from 'unknown'
  and (deleted_at is null or trashed_at is not null)
  and not exists (select from jobs child where child.parent_id = jobs.id and child.finished_at is null)
  and not exists (select from attempts where job_id = jobs.id and duty is not null)`;

/** Days by its tags; null when no rule speaks of them. */
function daysByTag({ tags }: RetentionRules): RawBuilder<number | null> {
  const names = Object.keys(tags);
  const days = Object.values(tags).map(String);
  return sql`(select max(rule.days) from unnest(${names}::text[], ${days}::float8[]) as rule (tag, days)
    where rule.tag = any (jobs.tags))`;
}

/** The rule by which time has run out; null for none. */
function ruleByTime(rules: RetentionRules, now: Date): RawBuilder<VideoRule | null> {
  const byTag = daysByTag(rules);
  return sql`case
    when trashed_at <= ${before(now, rules.trashDays)}::timestamptz then 'trash'
    when extract(epoch from ${now}::timestamptz - ${AGED_AT})
      >= coalesce(${byTag}, ${String(rules.days)}::float8) * 86400
      then case when ${byTag} is null then 'age' else 'tag' end
  end`;
}

/** What an index can tell: the shortest stay of any rule is over. */
function mayBeDue(rules: RetentionRules, now: Date): RawBuilder<boolean> {
  const shortest = Math.min(rules.days, ...Object.values(rules.tags));
  const trash = sql<boolean>`trashed_at <= ${before(now, rules.trashDays)}::timestamptz`;
  if (shortest === Infinity) return trash;
  return sql`(${trash} or ${AGED_AT} <= ${before(now, shortest)}::timestamptz)`;
}

function before(now: Date, days: number): Date {
  return new Date(now.getTime() - days * DAY_MS);
}

function mayMakeRoom(rules: RetentionRules): RawBuilder<boolean> {
  return sql`stored_bytes > 0 and (trashed_at is not null or ${daysByTag(rules)} is distinct from 'Infinity')`;
}

/** The videos whose time has run out, with their rule. */
function dueByTime(rules: RetentionRules, now: Date): RawBuilder<unknown> {
  return sql`select id, owner_id, ${ruleByTime(rules, now)} as rule, stored_bytes, finished_at from jobs
    where finished_at is not null and ${mayBeDue(rules, now)} and ${FREE} and ${ruleByTime(rules, now)} is not null`;
}

/** The videos that go for their room after those of `due`: each one before which too many bytes are still there. */
function dueByRoom(rules: RetentionRules): RawBuilder<unknown> {
  const excess = sql`((select coalesce(sum(stored_bytes), 0) from jobs where finished_at is not null)
    - (select coalesce(sum(stored_bytes), 0) from due) - ${rules.maxBytes}::bigint)`;
  // Asked once before anything else: as long as there is room, no row is looked at.
  return sql`select id, owner_id, 'bytes' as rule, stored_bytes, finished_at from (
      select id, owner_id, stored_bytes, finished_at,
        sum(stored_bytes) over (order by trashed_at is null,
          case when trashed_at is null then ${AGED_AT} else trashed_at end, id rows unbounded preceding)
          - stored_bytes as sooner
      from jobs where ${excess} > 0 and ${FREE} and ${mayMakeRoom(rules)} and id not in (select id from due)
    ) queued where sooner < ${excess}`;
}

/** Whatever is due, as a subquery. The room is looked into only when there is a limit to it. */
function due(rules: RetentionRules, now: Date): RawBuilder<unknown> {
  const room = rules.maxBytes === Infinity ? sql`` : sql`union all ${dueByRoom(rules)}`;
  return sql`(with due as materialized (${dueByTime(rules, now)}) select * from due ${room}) as expiring`;
}

export interface DueVideo {
  id: string;
  ownerId: string;
  rule: VideoRule;
  storedBytes: number;
  finishedAt: Date;
}

/** Some of the videos that are due; the oldest first. */
export async function findDue(db: Db, rules: RetentionRules, now: Date, limit: number): Promise<DueVideo[]> {
  const { rows } = await sql<DueVideo>`
    select id, owner_id as "ownerId", rule, stored_bytes as "storedBytes", finished_at as "finishedAt"
    from ${due(rules, now)} order by finished_at, id limit ${limit}`.execute(db);
  return rows;
}

export interface DueSum {
  rule: VideoRule;
  videos: number;
  bytes: number;
  oldest: Date;
  newest: Date;
}

/** What is due, by rule. */
export async function sumDue(db: Db, rules: RetentionRules, now: Date): Promise<DueSum[]> {
  const { rows } = await sql<DueSum>`
    select rule, count(*) as videos, sum(stored_bytes)::bigint as bytes,
      min(finished_at) as oldest, max(finished_at) as newest
    from ${due(rules, now)} group by rule`.execute(db);
  return rows;
}

export interface DeletedVideo extends DueVideo {
  result: JobResult | null;
}

/**
 * Deletes those of the given videos that are still due, each with its event. One that was pinned, restored or put to use
 * meanwhile stays; one that somebody is changing right now is left for the next round.
 */
export async function deleteDue(
  write: Write,
  videos: readonly DueVideo[],
  rules: RetentionRules,
): Promise<DeletedVideo[]> {
  const ids = (forRoom: boolean) =>
    videos.filter(({ rule }) => (rule === 'bytes') === forRoom).map(({ id }) => id);
  const byTime = ruleByTime(rules, write.now);
  // Before the jobs, as everywhere.
  await lockAttemptsOf(
    write.tx,
    videos.map(({ id }) => id),
  );
  const { rows } = await sql<Pick<DueVideo, 'id' | 'rule'>>`
    with timed as materialized (
      select id, ${byTime} as rule from jobs
      where id = any (${ids(false)}::text[]) and ${FREE} and ${byTime} is not null for update skip locked
    ), roomy as materialized (
      select id, 'bytes' as rule from jobs
      where id = any (${ids(true)}::text[]) and ${FREE} and ${mayMakeRoom(rules)} for update skip locked
    ) select * from timed union all select * from roomy`.execute(write.tx);
  const due = new Map(rows.map(({ id, rule }) => [id, rule]));
  const deleted = (await deleteSettled(write, [...due.keys()])).map((job) => ({
    id: job.id,
    ownerId: job.owner_id,
    batchId: job.batch_id,
    rule: due.get(job.id) ?? 'age',
    storedBytes: job.stored_bytes,
    finishedAt: job.finished_at ?? write.now,
    result: resultOf(job) ?? null,
  }));
  const event = { type: 'job.deleted', at: write.now };
  await appendEvents(
    write.tx,
    deleted.map(({ id: jobId, ownerId, batchId, rule }) => {
      return { ...event, ownerId, jobId, batchId, data: { reason: 'retention', rule } };
    }),
  );
  return deleted;
}
