import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import type { ClientRetry } from '../jobs/client-retry.ts';
import type { Job } from '../jobs/job.ts';
import { cancelAll, labelAll, purgeAll, restoreAll, trashAll } from './bulk-actions.ts';
import {
  type BulkAction,
  type BulkAnswer,
  bulkAnswer,
  type BulkRequest,
  type Chosen,
  choose,
  type Outcomes,
  sort,
} from './bulk-items.ts';
import { draftRetries } from './bulk-retry.ts';
import type { LibraryParts } from './library.ts';
import type { Label } from './labels.repository.ts';

/**
 * Does one thing to many videos, each with a result of its own; one that cannot be done stops no other. The answer's
 * body; of `retry` the first one again when the call is a repetition.
 */
export async function runBulk(
  parts: LibraryParts,
  caller: Principal,
  request: BulkRequest,
  retry: ClientRetry,
): Promise<{ body: string; replayed: boolean }> {
  const label = labelOf(request);
  const { action, dryRun } = request;
  if (action === 'retry') return runRetry(parts, caller, request, retry);
  const chosen = await choose(parts, caller, request);
  const { refused, allowed } = sort(chosen, action, label);
  const done = dryRun ? promises(action, allowed) : await perform(parts, caller, action, allowed, label);
  return { body: render(bulkAnswer(request, chosen, refused, done)), replayed: false };
}

/** All new jobs are committed together, with the key that stands for the whole call. */
async function runRetry(
  parts: LibraryParts,
  caller: Principal,
  request: BulkRequest,
  retry: ClientRetry,
): Promise<{ body: string; replayed: boolean }> {
  const draft = async () => {
    const chosen: Chosen = await choose(parts, caller, request);
    const { refused, allowed } = sort(chosen, 'retry');
    const { jobs, outcomes } = draftRetries(parts, caller, allowed, request.dryRun);
    return { id: '', jobs, body: render(bulkAnswer(request, chosen, refused, outcomes)) };
  };
  if (request.dryRun) return { body: (await draft()).body, replayed: false };
  return parts.create(caller, { retry, draft });
}

function render(data: BulkAnswer): string {
  return JSON.stringify({ success: true, data });
}

/** What a dry run says of what would be done. */
function promises(action: BulkAction, jobs: readonly Job[]): Outcomes {
  return new Map(
    jobs.map((job) => {
      const cancels = action === 'delete' && job.finished_at === null;
      return [job.id, { ok: true, ...(cancels ? { message: 'It would be cancelled first.' } : {}) }];
    }),
  );
}

async function perform(
  parts: LibraryParts,
  caller: Principal,
  action: BulkAction,
  jobs: readonly Job[],
  label: Label | undefined,
): Promise<Outcomes> {
  if (label) return labelAll(parts, caller, jobs, label);
  switch (action) {
    case 'delete':
      return trashAll(parts, caller, jobs);
    case 'purge':
      return purgeAll(parts, jobs);
    case 'restore':
      return restoreAll(parts, caller, jobs);
    case 'cancel':
      return cancelAll(parts, jobs);
    default:
      throw new Error(`no such action: ${action}`);
  }
}

/** The change that an action is, where it is one; and whether the request has what the action needs, and no more. */
function labelOf({ action, tags, collectionId }: BulkRequest): Label | undefined {
  const isTagging = action === 'tag' || action === 'untag';
  if (isTagging !== (tags !== undefined && tags.length > 0)) {
    throw new AppError('invalid_request', {
      message: 'tags go with tag and untag, one at least.',
      param: 'tags',
    });
  }
  if ((action === 'move') !== (collectionId !== undefined)) {
    throw new AppError('invalid_request', {
      message: 'collectionId goes with move: the id of a collection, or null for none.',
      param: 'collectionId',
    });
  }
  switch (action) {
    case 'tag':
      return { field: 'tags', add: tags ?? [] };
    case 'untag':
      return { field: 'tags', remove: tags ?? [] };
    case 'move':
      return { field: 'collectionId', value: collectionId ?? null };
    case 'star':
    case 'unstar':
      return { field: 'starred', value: action === 'star' };
    case 'pin':
    case 'unpin':
      return { field: 'pinned', value: action === 'pin' };
    default:
      return undefined;
  }
}
