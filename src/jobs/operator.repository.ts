import type { Kysely } from 'kysely';
import type { DB } from '../database/schema.ts';

/** A job of anybody with the attempt in doubt; without its prompt. */
export interface DoubtfulJob {
  jobId: string;
  ownerId: string;
  stage: string;
  model: string;
  connection: string;
  attemptId: string;
  sentAt: Date | null;
  reason: string | null;
}

/** Jobs whose paid call may or may not have been taken, the oldest call first. */
export async function listDoubtful(db: Kysely<DB>, limit: number): Promise<DoubtfulJob[]> {
  return db
    .selectFrom('jobs')
    .innerJoin('attempts', 'attempts.job_id', 'jobs.id')
    .select([
      'jobs.id as jobId',
      'jobs.owner_id as ownerId',
      'jobs.stage as stage',
      'jobs.model as model',
      'jobs.connection as connection',
      'attempts.id as attemptId',
      'attempts.sent_at as sentAt',
      'attempts.error_message as reason',
    ])
    .where('jobs.status', '=', 'processing')
    .where('jobs.stage', 'in', ['unconfirmed', 'needs_attention'])
    .where('attempts.state', '=', 'unconfirmed')
    .orderBy('attempts.sent_at')
    .limit(limit)
    .execute();
}
