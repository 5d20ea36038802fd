import { type Kysely, sql, type Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { Job } from './job.ts';

export interface KeptAnswer {
  fingerprint: string;
  response: string;
}

/** The answer a client's key has stood for since a time. */
export async function findAnswer(
  db: Kysely<DB>,
  ownerId: string,
  key: string,
  since: Date,
): Promise<KeptAnswer | undefined> {
  return db
    .selectFrom('idempotency_keys')
    .select(['fingerprint', 'response'])
    .where('owner_id', '=', ownerId)
    .where('key', '=', key)
    .where('created_at', '>=', since)
    .executeTakeFirst();
}

/** Makes retries of the same request follow each other, over all processes, until the transaction ends. */
export async function lockFingerprint(tx: Transaction<DB>, fingerprint: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('create:' || ${fingerprint}, 0))`.execute(tx);
}

/** What looks for the job of a request that was sent before. */
export interface Repetition {
  ownerId: string;
  fingerprint: string;
  /** Which retry it is, from 1. */
  retryCount: number;
  /** An answer that ended before cannot be the one that was lost. */
  since: Date;
  /** A retry of the same number that comes after this is the same one, sent twice on its way. */
  sameSince: Date;
}

/**
 * The job that a retry without a key repeats: made by the same request, answered lately, and not yet the answer to a retry
 * of this number: one may overtake another, but none comes twice, except at the same moment. Of several, one that has not
 * answered this number, then the one that has answered the most, then the oldest. What its owner has put away was heard of, so that its answer was not lost. Needs `lockFingerprint`.
 */
export async function findRepeated(
  tx: Transaction<DB>,
  { ownerId, fingerprint, retryCount, since, sameSince }: Repetition,
): Promise<Job | undefined> {
  return tx
    .selectFrom('jobs')
    .leftJoin('client_retries', 'client_retries.job_id', 'jobs.id')
    .selectAll('jobs')
    .where('fingerprint', '=', fingerprint)
    .where('owner_id', '=', ownerId)
    .where('deleted_at', 'is', null)
    .where((eb) => eb(eb.fn.coalesce('answered_at', 'created_at'), '>=', since))
    .where(sql<boolean>`(${retryCount} <> all(coalesce(retry_counts, '{}')) or answered_at >= ${sameSince})`)
    .orderBy(sql`${retryCount} = any(coalesce(retry_counts, '{}'))`)
    .orderBy(sql`cardinality(coalesce(retry_counts, '{}'))`, 'desc')
    .orderBy('created_at')
    .orderBy('id')
    .executeTakeFirst();
}

/** Writes down that a job answers a try of its request, and when. */
export async function saveRetry(
  tx: Transaction<DB>,
  jobId: string,
  retryCount: number,
  answeredAt: Date,
): Promise<void> {
  await tx
    .insertInto('client_retries')
    .values({ job_id: jobId, retry_counts: [retryCount], answered_at: answeredAt })
    .onConflict((conflict) =>
      conflict.column('job_id').doUpdateSet({
        retry_counts: sql`client_retries.retry_counts || excluded.retry_counts`,
        answered_at: answeredAt,
      }),
    )
    .execute();
}

/** Forgets keys and retries that have had their day. */
export async function deleteOldAnswers(db: Kysely<DB>, before: Date): Promise<void> {
  await db.deleteFrom('idempotency_keys').where('created_at', '<', before).execute();
  await db.deleteFrom('client_retries').where('answered_at', '<', before).execute();
}
