import { sql } from 'kysely';
import { AppError } from '../core/errors.ts';
import { appendEvents } from '../events/events.repository.ts';
import type { Job } from '../jobs/job.ts';
import type { Write } from '../jobs/write.ts';
import { lockOwned } from './owned.repository.ts';

export const MAX_TAGS = 32;

/** One change of what people say about their videos, for many at once. */
export type Label =
  | { field: 'tags'; add: readonly string[] }
  | { field: 'tags'; remove: readonly string[] }
  | { field: 'collectionId'; value: string | null }
  | { field: 'starred' | 'pinned'; value: boolean };

export type Labelled = 'changed' | 'unchanged' | 'in_trash' | 'too_many_tags';

/**
 * Labels jobs of an owner in one statement, whatever their number, each change with its event. What is not the owner's
 * is not in the answer. Throws `collection_not_found`.
 */
export async function labelJobs(
  write: Write,
  ownerId: string,
  ids: readonly string[],
  label: Label,
): Promise<Map<string, Labelled>> {
  if (label.field === 'collectionId') await holdCollection(write, ownerId, label.value);
  const jobs = await lockOwned(write.tx, ownerId, ids);
  const outcomes = new Map(jobs.map((job) => [job.id, outcomeOf(job, label)]));
  const changed = jobs.filter(({ id }) => outcomes.get(id) === 'changed');
  if (changed.length === 0) return outcomes;
  await write.tx
    .updateTable('jobs')
    .set({ ...changeOf(label), updated_at: write.now })
    .where('id', '=', sql<string>`any(${changed.map(({ id }) => id)}::text[])`)
    .execute();
  await announceUpdates(write, changed, [label.field]);
  return outcomes;
}

/** Tells of jobs whose named fields have changed. */
export async function announceUpdates(
  write: Write,
  jobs: readonly Job[],
  fields: readonly string[],
): Promise<void> {
  for (const { id } of jobs) write.changed(id);
  const type = 'job.updated';
  await appendEvents(
    write.tx,
    jobs.map((job) => ({
      ownerId: job.owner_id,
      jobId: job.id,
      batchId: job.batch_id,
      type,
      data: { fields },
      at: write.now,
    })),
  );
}

/** Makes sure that a collection is the owner's, and stays until the transaction ends. Throws `collection_not_found`. */
export async function holdCollection(write: Write, ownerId: string, id: string | null): Promise<void> {
  if (id === null) return;
  const held = await write.tx
    .selectFrom('collections')
    .select('id')
    .where('id', '=', id)
    .where('owner_id', '=', ownerId)
    .forKeyShare()
    .executeTakeFirst();
  if (!held) throw new AppError('collection_not_found', { param: 'collectionId' });
}

/** What a label comes to for one job, without doing it. */
export function outcomeOf(job: Job, label: Label): Labelled {
  if (job.trashed_at) return 'in_trash';
  if (label.field === 'collectionId') return changes(job.collection_id !== label.value);
  if (label.field !== 'tags') return changes(job[label.field] !== label.value);
  if ('remove' in label) return changes(label.remove.some((tag) => job.tags.includes(tag)));
  const added = label.add.filter((tag) => !job.tags.includes(tag));
  return job.tags.length + added.length > MAX_TAGS && added.length > 0
    ? 'too_many_tags'
    : changes(added.length > 0);
}

function changes(isOther: boolean): Labelled {
  return isOther ? 'changed' : 'unchanged';
}

function changeOf(label: Label) {
  if (label.field === 'collectionId') return { collection_id: label.value };
  if (label.field !== 'tags') return { [label.field]: label.value };
  if ('remove' in label) {
    const kept = sql<string[]>`array(
      select tag from unnest(tags) with ordinality as old (tag, place)
      where tag <> all(${[...label.remove]}::text[]) order by place)`;
    return { tags: kept };
  }
  const all = sql<string[]>`tags || array(
    select tag from unnest(${[...label.add]}::text[]) with ordinality as new (tag, place)
    where tag <> all(tags) order by place)`;
  return { tags: all };
}
