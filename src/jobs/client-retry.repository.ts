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

/** The latest job of this very request since a time. A session may have moved to another team since: then it is none. */
export async function findByFingerprint(
  db: Kysely<DB> | Transaction<DB>,
  ownerId: string,
  fingerprint: string,
  since: Date,
): Promise<Job | undefined> {
  return db
    .selectFrom('jobs')
    .selectAll()
    .where('fingerprint', '=', fingerprint)
    .where('owner_id', '=', ownerId)
    .where('created_at', '>=', since)
    .orderBy('created_at', 'desc')
    .executeTakeFirst();
}

/** Forgets keys that have had their day. */
export async function deleteOldAnswers(db: Kysely<DB>, before: Date): Promise<void> {
  await db.deleteFrom('idempotency_keys').where('created_at', '<', before).execute();
}
