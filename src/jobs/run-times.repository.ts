import { type Kysely, sql } from 'kysely';
import type { DB } from '../database/schema.ts';

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
