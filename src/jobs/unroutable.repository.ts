import type { Kysely } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { JobStage } from './job.ts';

const LIMIT = 500;

export interface Unroutable {
  id: string;
  stage: JobStage;
  /** The number of its attempt. */
  tries: number;
}

/**
 * Jobs older than `before` of which no call has gone out, and whose connection no process has served since then. With an
 * id, that job alone.
 */
export async function findUnroutable(db: Kysely<DB>, before: Date, id?: string): Promise<Unroutable[]> {
  let query = db
    .selectFrom('jobs')
    .select(['id', 'stage', 'tries'])
    .where('created_at', '<', before)
    .where('connection', '<>', '')
    .where((eb) =>
      eb.or([
        eb('status', '=', 'pending'),
        eb.and([
          eb('status', '=', 'processing'),
          eb('stage', '=', 'submitting'),
          eb.exists(
            eb
              .selectFrom('attempts')
              .select('attempts.id')
              .whereRef('attempts.job_id', '=', 'jobs.id')
              .where('attempts.state', '=', 'intended'),
          ),
        ]),
      ]),
    )
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('connection_workers')
            .select('connection_workers.connection')
            .whereRef('connection_workers.connection', '=', 'jobs.connection')
            .where('last_served_at', '>=', before),
        ),
      ),
    );
  if (id !== undefined) query = query.where('id', '=', id);
  return (await query.limit(LIMIT).execute()) as Unroutable[];
}
