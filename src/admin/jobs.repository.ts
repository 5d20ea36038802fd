import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { DB, JobsTable } from '../database/schema.ts';
import type { AttemptsTable } from '../database/schema-engine.ts';
import type { Place } from '../core/cursor.ts';

/** A job without what its owner has written: prompt, name, tags and metadata stay unread. */
export const OPEN_COLUMNS = [
  'id',
  'owner_id',
  'user_id',
  'api_key_id',
  'batch_id',
  'status',
  'stage',
  'progress',
  'model',
  'connection',
  'seconds',
  'width',
  'height',
  'derivation',
  'tries',
  'cancel_outcome',
  'error_code',
  'estimated_micros',
  'charged_micros',
  'stored_bytes',
  'created_at',
  'started_at',
  'finished_at',
  'deleted_at',
  'imported_at',
] as const satisfies readonly (keyof JobsTable)[];

export type OpenJob = Pick<Selectable<JobsTable>, (typeof OPEN_COLUMNS)[number]>;

/** What only its owner reads, unless an admin opens it. */
export type HiddenPart = Pick<Selectable<JobsTable>, 'prompt' | 'name' | 'tags' | 'metadata'>;

export interface AllJobsFilter {
  owner?: string | undefined;
  user?: string | undefined;
  status?: readonly JobsTable['status'][] | undefined;
  model?: string | undefined;
  provider?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

/** Jobs of everybody, deleted ones that still wait for their provider too; one more than the page, the latest first. */
export async function listAllJobs(
  db: Kysely<DB>,
  filter: AllJobsFilter,
  limit: number,
  behind?: Place,
): Promise<OpenJob[]> {
  let query = db.selectFrom('jobs').select(OPEN_COLUMNS);
  if (filter.owner !== undefined) query = query.where('owner_id', '=', filter.owner);
  if (filter.user !== undefined) query = query.where('user_id', '=', filter.user);
  if (filter.status) query = query.where('status', 'in', [...filter.status]);
  if (filter.model !== undefined) query = query.where('model', '=', filter.model);
  if (filter.provider !== undefined) query = query.where('connection', '=', filter.provider);
  if (filter.from !== undefined) query = query.where('created_at', '>=', new Date(filter.from));
  if (filter.to !== undefined) query = query.where('created_at', '<', new Date(filter.to));
  if (behind) query = query.where(sql<boolean>`(created_at, id) < (${behind.at}, ${behind.id})`);
  return query
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
}

export async function findAnyJob(db: Kysely<DB> | Transaction<DB>, id: string): Promise<OpenJob | undefined> {
  return db.selectFrom('jobs').select(OPEN_COLUMNS).where('id', '=', id).executeTakeFirst();
}

export async function findHiddenPart(tx: Transaction<DB>, id: string): Promise<HiddenPart | undefined> {
  return tx
    .selectFrom('jobs')
    .select(['prompt', 'name', 'tags', 'metadata'])
    .where('id', '=', id)
    .executeTakeFirst();
}

export type AttemptRow = Pick<
  Selectable<AttemptsTable>,
  | 'id'
  | 'number'
  | 'connection'
  | 'state'
  | 'operation'
  | 'error_code'
  | 'created_at'
  | 'sent_at'
  | 'settled_at'
>;

export async function attemptsOf(db: Kysely<DB>, jobId: string): Promise<AttemptRow[]> {
  return db
    .selectFrom('attempts')
    .select([
      'id',
      'number',
      'connection',
      'state',
      'operation',
      'error_code',
      'created_at',
      'sent_at',
      'settled_at',
    ])
    .where('job_id', '=', jobId)
    .orderBy('number')
    .execute();
}
