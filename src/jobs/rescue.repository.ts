import type { Kysely } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { JobStage } from './job.ts';
import type { Write } from './write.ts';

const LIMIT = 500;

export interface StuckStep {
  id: string;
  stage: string;
  /** The number of its attempt. */
  tries: number;
}

/** Jobs in work whose step should have come to an end by now: its task was lost, or its retries are used up. */
export async function findStuckSteps(db: Kysely<DB>, now: Date): Promise<StuckStep[]> {
  return db
    .selectFrom('jobs')
    .select(['id', 'stage', 'tries'])
    .where('status', '=', 'processing')
    .where('stage', 'in', ['submitting', 'unconfirmed', 'needs_attention', 'archiving'])
    .where('due_at', '<=', now)
    .limit(LIMIT)
    .execute();
}

/** Jobs that have been in work since before `startedBefore`; not those whose paid call is being made. */
export async function findHopeless(
  db: Kysely<DB>,
  startedBefore: Date,
): Promise<{ id: string; stage: JobStage; tries: number }[]> {
  const rows = await db
    .selectFrom('jobs')
    .select(['id', 'stage', 'tries'])
    .where('status', '=', 'processing')
    .where('started_at', '<', startedBefore)
    .where((eb) =>
      eb.or([
        eb('stage', '<>', 'submitting'),
        eb.exists(
          eb
            .selectFrom('attempts')
            .select('attempts.id')
            .whereRef('attempts.job_id', '=', 'jobs.id')
            .where('attempts.state', '=', 'intended'),
        ),
      ]),
    )
    .limit(LIMIT)
    .execute();
  return rows as { id: string; stage: JobStage; tries: number }[];
}

/** Gives stuck steps another span of time before they count as stuck again. */
export async function postponeSteps(write: Write, ids: string[], until: Date): Promise<void> {
  await write.tx.updateTable('jobs').set({ due_at: until }).where('id', 'in', ids).execute();
}
