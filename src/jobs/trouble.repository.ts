import { type Kysely, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { Doubt, Trouble } from './patience.ts';
import type { Write } from './write.ts';

/** A look that went wrong. */
export interface NewTrouble {
  jobId: string;
  connection: string;
  doubt: Doubt;
  /** The provider's complete list lacked the video. */
  lacked: boolean;
}

const COLUMNS = sql`since, same_since as "sameSince", calm_since as "calmSince", looks, lacked, last_at as "lastAt"`;

/**
 * Notes looks that went wrong, those of jobs that still stand at this stage. Returns what is known of each by now. Locks
 * jobs before anything else, in one order for everybody.
 */
export async function recordTroubles(
  write: Write,
  stage: 'rendering' | 'archiving',
  found: readonly NewTrouble[],
): Promise<(Trouble & { jobId: string })[]> {
  const held = await write.tx
    .selectFrom('jobs')
    .select('id')
    .where(sql<boolean>`id = any(${found.map(({ jobId }) => jobId)}::text[])`)
    .where('stage', '=', stage)
    .orderBy('id')
    .forNoKeyUpdate()
    .execute();
  const still = new Set(held.map(({ id }) => id));
  const rows = found.filter(({ jobId }) => still.has(jobId));
  if (rows.length === 0) return [];
  const { now } = write;
  const noted = await sql<Trouble & { jobId: string }>`
    insert into troubles (job_id, connection, kind, reason, since, same_since, calm_since, lacked, last_at)
    select id, connection, kind, reason, ${now}, ${now}, ${now}, lacked, ${now} from unnest(
      ${rows.map((row) => row.jobId)}::text[], ${rows.map((row) => row.connection)}::text[],
      ${rows.map((row) => row.doubt.kind)}::text[], ${rows.map((row) => row.doubt.reason)}::text[],
      ${rows.map((row) => row.lacked)}::boolean[]
    ) as found (id, connection, kind, reason, lacked) order by id
    on conflict (job_id) do update set
      kind = excluded.kind, reason = excluded.reason, last_at = excluded.last_at,
      same_since = case when troubles.reason = excluded.reason then troubles.same_since else excluded.same_since end,
      calm_since = case when troubles.reason = excluded.reason then troubles.calm_since else excluded.calm_since end,
      looks = case when troubles.reason = excluded.reason then troubles.looks + 1 else 1 end,
      lacked = excluded.lacked or (troubles.lacked and troubles.reason = excluded.reason)
    returning job_id as "jobId", ${COLUMNS}`.execute(write.tx);
  return noted.rows;
}

/** The next look went well: what was noted of these jobs is over, and they hold their places again. */
export async function endTroubles(write: Write, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length === 0) return;
  await write.tx
    .deleteFrom('troubles')
    .where(sql<boolean>`job_id = any(${jobIds}::text[])`)
    .execute();
}

/** The videos that have a trouble of this kind are an outage of their connection for now: their clock starts again. */
export async function restartClocks(write: Write, jobIds: readonly string[]): Promise<void> {
  await write.tx
    .updateTable('troubles')
    .set({ calm_since: write.now })
    .where(sql<boolean>`job_id = any(${jobIds}::text[])`)
    .execute();
}

/** How many videos of a connection have a trouble of this kind. */
export async function countTroubled(write: Write, connection: string, kind: Doubt['kind']): Promise<number> {
  const { count } = await write.tx
    .selectFrom('troubles')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('connection', '=', connection)
    .where('kind', '=', kind)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** How many videos of a connection were completed since then. */
export async function countCompleted(write: Write, connection: string, since: Date): Promise<number> {
  const { count } = await write.tx
    .selectFrom('jobs')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('connection', '=', connection)
    .where('status', '=', 'completed')
    .where('finished_at', '>=', since)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** What is known of a job's trouble, with what counts as the same answer. */
export async function findTrouble(
  db: Kysely<DB>,
  jobId: string,
): Promise<(Trouble & { reason: string }) | undefined> {
  const { rows } = await sql<Trouble & { reason: string }>`
    select reason, ${COLUMNS} from troubles where job_id = ${jobId}`.execute(db);
  return rows[0];
}

/**
 * Whether the job still stands where it was judged, for the same reason: a look of another process may have gone well
 * since then. Holds the job until the transaction ends.
 */
export async function isStillTroubled(
  write: Write,
  jobId: string,
  stage: 'rendering' | 'archiving',
  { reason }: Doubt,
): Promise<boolean> {
  const { rows } = await sql`
    select from jobs join troubles on troubles.job_id = jobs.id
    where jobs.id = ${jobId} and jobs.stage = ${stage} and troubles.reason = ${reason}
    for no key update of jobs`.execute(write.tx);
  return rows.length > 0;
}

export interface LongWait {
  jobId: string;
  code: string;
  message: string;
  yieldsPlace: boolean;
}

/** How old what a job says it waits for may get before it is written again, in ms. */
const REPEAT_MS = 600_000;

/** Writes into jobs what they wait for, and takes their places where they should not keep others waiting. */
export async function showWaits(write: Write, waits: readonly LongWait[]): Promise<void> {
  for (const { jobId, code, message, yieldsPlace } of waits) {
    const { rows } = await sql<{ id: string }>`
      update jobs set
        last_error = ${JSON.stringify({ code, message, at: write.now.toISOString() })}::jsonb,
        place_given_up_at = coalesce(place_given_up_at, case when ${yieldsPlace} then ${write.now}::timestamptz end),
        updated_at = ${write.now}
      where id = ${jobId} and status = 'processing' and (
        last_error is null or last_error ->> 'code' <> ${code} or last_error ->> 'message' <> ${message}
        or (last_error ->> 'at')::timestamptz < ${new Date(write.now.getTime() - REPEAT_MS)}
        or (${yieldsPlace} and place_given_up_at is null)
      )
      returning id`.execute(write.tx);
    for (const { id } of rows) write.changed(id);
  }
}
