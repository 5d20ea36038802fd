import type { Principal } from '../accounts/principal.ts';
import { ERRORS, type ErrorCode } from '../core/errors.ts';
import { isFinal, type Job } from '../jobs/job.ts';
import { type Label, MAX_TAGS, outcomeOf } from './labels.repository.ts';
import type { LibraryParts, Selection } from './library.ts';
import { countBehind, countSelected, walk } from './selection.ts';

export const BULK_ACTIONS = [
  'delete',
  'purge',
  'restore',
  'cancel',
  'retry',
  'tag',
  'untag',
  'move',
  'star',
  'unstar',
  'pin',
  'unpin',
] as const;

export type BulkAction = (typeof BULK_ACTIONS)[number];

/** Most videos of one call. */
export const BULK_LIMIT = 1000;

export interface BulkRequest {
  action: BulkAction;
  selection: Selection;
  tags?: readonly string[] | undefined;
  collectionId?: string | null | undefined;
  dryRun: boolean;
}

/** What became of one video. */
export type Outcome =
  { ok: true; message?: string; newJobId?: string } | { ok: false; code: ErrorCode; message: string };

export type Outcomes = ReadonlyMap<string, Outcome>;

export interface BulkAnswer {
  action: BulkAction;
  dryRun: boolean;
  total: number;
  succeeded: number;
  failed: number;
  remaining: number;
  nextCursor: string | null;
  items: ({ jobId: string } & Outcome)[];
}

/** The videos of one call, in the order of its answer. */
export interface Chosen {
  targets: ReadonlyMap<string, Job | undefined>;
  /** Videos of the filter that come after them. */
  remaining: number;
  nextCursor: string | undefined;
}

export async function choose(
  parts: LibraryParts,
  caller: Principal,
  { selection }: BulkRequest,
): Promise<Chosen> {
  const known = await countSelected(parts, caller, selection);
  const targets = new Map<string, Job | undefined>();
  const walking = walk(parts, caller, selection, BULK_LIMIT, known);
  let step = await walking.next();
  for (; !step.done; step = await walking.next()) targets.set(step.value.id, step.value.job);
  const nextCursor = step.value;
  const remaining =
    nextCursor === undefined ? 0 : (await countBehind(parts, caller, selection, nextCursor)).total;
  return { targets, remaining, nextCursor };
}

/** Parts what can be done from what cannot. */
export function sort(
  { targets }: Chosen,
  action: BulkAction,
  label?: Label,
): { refused: Outcomes; allowed: Job[] } {
  const refused = new Map<string, Outcome>();
  const allowed: Job[] = [];
  for (const [id, job] of targets) {
    // Somebody else's is answered like nothing.
    const refusal = job ? refusalOf(job, action, label) : failed('job_not_found');
    if (refusal) refused.set(id, refusal);
    else if (job) allowed.push(job);
  }
  return { refused, allowed };
}

function refusalOf(job: Job, action: BulkAction, label: Label | undefined): Outcome | undefined {
  if (label) return labelRefusal(outcomeOf(job, label));
  switch (action) {
    case 'purge':
      return isFinal(job.status) ? undefined : failed('job_not_finished');
    case 'restore':
      return job.trashed_at ? undefined : failed('not_in_trash');
    case 'cancel':
      return isFinal(job.status) ? failed('job_already_finished') : undefined;
    case 'retry':
      if (job.trashed_at) return failed('job_in_trash');
      return job.status === 'failed' || job.status === 'cancelled' ? undefined : failed('job_not_retryable');
    default:
      return undefined;
  }
}

export function labelRefusal(outcome: ReturnType<typeof outcomeOf> | undefined): Outcome | undefined {
  if (outcome === undefined) return failed('job_not_found');
  if (outcome === 'in_trash') return failed('job_in_trash');
  if (outcome === 'too_many_tags')
    return failed('invalid_request', `It would have more than ${MAX_TAGS} tags.`);
  return undefined;
}

export function failed(code: ErrorCode, message: string = ERRORS[code].message): Outcome {
  return { ok: false, code, message };
}

export function bulkAnswer(
  { action, dryRun }: BulkRequest,
  { targets, remaining, nextCursor }: Chosen,
  ...outcomes: Outcomes[]
): BulkAnswer {
  const items = [...targets.keys()].map((jobId) => {
    const outcome = outcomes.map((map) => map.get(jobId)).find((found) => found !== undefined);
    return Object.assign({ jobId }, outcome ?? failed('job_not_found'));
  });
  const succeeded = items.filter(({ ok }) => ok).length;
  const counts = { total: items.length, succeeded, failed: items.length - succeeded, remaining };
  return { action, dryRun, ...counts, nextCursor: nextCursor ?? null, items };
}
