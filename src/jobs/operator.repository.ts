import type { Kysely } from 'kysely';
import type { JsonObject } from '../core/json.ts';
import type { DB } from '../database/schema.ts';

/** A job of any owner with the attempt in doubt; without its prompt. */
export interface DoubtfulJob {
  jobId: string;
  ownerId: string;
  stage: string;
  model: string;
  connection: string;
  attemptId: string;
  sentAt: Date | null;
  reason: string | null;
  /** What the last look into the provider's list saw that may be it. */
  evidence: JsonObject | null;
}

/**
 * Jobs whose paid call may or may not have been taken, and cancelled ones whose upstream has not answered, the oldest call
 * first.
 */
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
      'attempts.evidence as evidence',
    ])
    .where((eb) =>
      eb.or([
        eb.and([
          eb('jobs.stage', 'in', ['unconfirmed', 'needs_attention']),
          eb('attempts.state', '=', 'unconfirmed'),
        ]),
        eb.and([eb('jobs.cancel_outcome', '=', 'unknown'), eb('attempts.duty', 'is not', null)]),
      ]),
    )
    .orderBy('attempts.sent_at')
    .limit(limit)
    .execute();
}
