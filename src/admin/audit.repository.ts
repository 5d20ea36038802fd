import type { Kysely, Selectable } from 'kysely';
import type { AuditLogTable } from '../database/schema-people.ts';
import type { DB } from '../database/schema.ts';

export type AuditRow = Selectable<AuditLogTable>;

export interface AuditFilter {
  actor?: string | undefined;
  subject?: string | undefined;
  action?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

/** One more than the page, the latest first. */
export async function listAudit(
  db: Kysely<DB>,
  filter: AuditFilter,
  limit: number,
  behind?: number,
): Promise<AuditRow[]> {
  let query = db.selectFrom('audit_log').selectAll();
  if (filter.actor !== undefined) query = query.where('actor_id', '=', filter.actor);
  if (filter.subject !== undefined) query = query.where('subject_id', '=', filter.subject);
  if (filter.action !== undefined) query = query.where('action', '=', filter.action);
  if (filter.from !== undefined) query = query.where('at', '>=', new Date(filter.from));
  if (filter.to !== undefined) query = query.where('at', '<', new Date(filter.to));
  if (behind !== undefined) query = query.where('id', '<', behind);
  return query
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
}
