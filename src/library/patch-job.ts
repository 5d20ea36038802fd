import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import type { Job } from '../jobs/job.ts';
import type { Write } from '../jobs/write.ts';
import type { LibraryParts } from './library.ts';
import { announceUpdates, holdCollection } from './labels.repository.ts';
import { lockOwned } from './owned.repository.ts';
import { updateDetails } from './patch-job.repository.ts';

/** What may be changed about a video at any time: what people say about it, never what was asked for. */
export interface JobPatch {
  name?: string | null | undefined;
  tags?: readonly string[] | undefined;
  /** Keys to set; null removes one; others stay. */
  metadata?: Readonly<Record<string, string | null>> | undefined;
  starred?: boolean | undefined;
  pinned?: boolean | undefined;
  collectionId?: string | null | undefined;
}

const MAX_METADATA = 32;

/**
 * Changes a video's details, open or finished; its status is untouched. Throws `job_not_found`, `job_in_trash`,
 * `collection_not_found`, `invalid_request`.
 */
export function patchJob(parts: LibraryParts, caller: Principal, id: string, patch: JobPatch): Promise<Job> {
  return parts.write(async (write) => {
    const [job] = await lockOwned(write.tx, caller.ownerId, [id]);
    if (!job) throw new AppError('job_not_found');
    if (job.trashed_at) throw new AppError('job_in_trash');
    return apply(write, job, patch);
  });
}

async function apply(write: Write, job: Job, patch: JobPatch): Promise<Job> {
  const metadata = patch.metadata && merge(job.metadata, patch.metadata);
  const wanted = {
    name: patch.name,
    tags: patch.tags && [...patch.tags],
    metadata,
    starred: patch.starred,
    pinned: patch.pinned,
    collectionId: patch.collectionId,
  };
  const current = { ...job, collectionId: job.collection_id };
  const fields = (Object.keys(wanted) as (keyof typeof wanted)[]).filter(
    (field) => wanted[field] !== undefined && !isSame(wanted[field], current[field]),
  );
  if (fields.length === 0) return job;
  if (patch.collectionId !== undefined) await holdCollection(write, job.owner_id, patch.collectionId);
  const updated = await updateDetails(write, job.id, wanted);
  await announceUpdates(write, [updated], fields);
  return updated;
}

function merge(
  current: Readonly<Record<string, string>>,
  change: Readonly<Record<string, string | null>>,
): Record<string, string> {
  const entries = Object.entries({ ...current, ...change });
  const merged = Object.fromEntries(
    entries
      .filter((entry): entry is [string, string] => entry[1] !== null)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  if (Object.keys(merged).length <= MAX_METADATA) return merged;
  throw new AppError('invalid_request', {
    message: `metadata would have more than ${MAX_METADATA} keys.`,
    param: 'metadata',
  });
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

/** An object with its keys in order: the database keeps them in another one. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
