import type { Kysely, Transaction } from 'kysely';
import type { JsonObject } from '../core/json.ts';
import type { DB } from '../database/schema.ts';

/** Something that must be answered for: an act of power, or a look at what is another's. */
export interface AuditEntry {
  /** Who; null when nobody is known: the system itself, a failed sign-in. */
  actorId: string | null;
  credentialId?: string | null;
  /** The network address it came from. */
  address?: string | null;
  /** What was done, as `subject.verb`: `key.revoked`, `quota.set`. */
  action: string;
  /** The id of what it was done to. */
  subjectId?: string | null;
  /** What changed, without anything secret. */
  details?: JsonObject;
}

/** Writes it down for good; in the transaction of what it tells of. */
export async function appendAudit(
  db: Kysely<DB> | Transaction<DB>,
  entry: AuditEntry,
  at: Date,
): Promise<void> {
  await db
    .insertInto('audit_log')
    .values({
      at,
      actor_id: entry.actorId,
      credential_id: entry.credentialId ?? null,
      address: entry.address ?? null,
      action: entry.action,
      subject_id: entry.subjectId ?? null,
      details: JSON.stringify(entry.details ?? {}),
    })
    .execute();
}
