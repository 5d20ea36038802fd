import { type Kysely, sql } from 'kysely';
import type { DB } from '../database/schema.ts';
import type { Derived } from '../jobs/derivation.ts';
import type { Job } from '../jobs/job.ts';

/** As much of a video as its place in the tree and the sums take. */
export interface TreeRow extends Pick<Job, 'id' | 'parent_id' | 'depth' | 'created_at'> {
  /** Charged if that is known, else expected. */
  micros: number;
}

/** Videos of one tree that are looked at, oldest first: bounds what one request may cost. */
const MOST_ROWS = 50_000;

/** The tree of a first video, or of one that is not there any more: those who come from it. Deleted ones are left out. */
export async function findTree(db: Kysely<DB>, ownerId: string, rootId: string): Promise<TreeRow[]> {
  return db
    .selectFrom('jobs')
    .select(['id', 'parent_id', 'depth', 'created_at'])
    .select(sql<number>`coalesce(charged_micros, estimated_micros)`.as('micros'))
    .where('owner_id', '=', ownerId)
    .where((eb) => eb.or([eb('id', '=', rootId), eb('root_id', '=', rootId)]))
    .where((eb) => eb.or([eb('deleted_at', 'is', null), eb('trashed_at', 'is not', null)]))
    .orderBy('created_at')
    .orderBy('id')
    .limit(MOST_ROWS)
    .execute();
}

/** What is shown of a video in its tree. */
export interface NodeRow extends Pick<
  Job,
  'id' | 'derivation' | 'status' | 'prompt' | 'name' | 'model' | 'created_at' | 'trashed_at'
> {
  by: Derived['by'] | null;
  hasThumbnail: boolean;
}

export async function findNodes(db: Kysely<DB>, ownerId: string, ids: readonly string[]): Promise<NodeRow[]> {
  return db
    .selectFrom('jobs')
    .select(['id', 'derivation', 'status', 'prompt', 'name', 'model', 'created_at', 'trashed_at'])
    .select(sql<Derived['by'] | null>`derived ->> 'by'`.as('by'))
    .select(sql<boolean>`coalesce(result -> 'files' ? 'thumbnail', false)`.as('hasThumbnail'))
    .where('owner_id', '=', ownerId)
    .where('id', '=', sql<string>`any(${ids}::text[])`)
    .execute();
}
