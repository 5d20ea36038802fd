import type { Principal } from '../accounts/principal.ts';
import { AppError } from '../core/errors.ts';
import { readListFilter } from '../jobs/list-query.ts';
import type { Job } from '../jobs/job.ts';
import type { PageRequest, Total } from '../jobs/job-list.repository.ts';
import type { ListFilter } from '../jobs/jobs.schemas.ts';
import type { LibraryParts, Selection } from './library.ts';
import { findOwned } from './owned.repository.ts';

/** Rows in memory at once. */
const PAGE = 100;

/** One video of a selection; `job` is absent when there is none of that id, or it is not the caller's. */
export interface Selected {
  id: string;
  job: Job | undefined;
}

/** A selection as a request names it: `ids` or `filter`, one of them. */
export function readSelection(body: {
  ids?: readonly string[] | undefined;
  filter?: ListFilter | undefined;
  cursor?: string | undefined;
}): Selection {
  const { ids, filter, cursor } = body;
  if ((ids === undefined) === (filter === undefined)) {
    throw new AppError('invalid_request', { message: 'Give ids or filter, one of them.', param: 'ids' });
  }
  if (ids === undefined) return { filter: readListFilter(filter ?? {}), cursor };
  if (cursor !== undefined) {
    throw new AppError('invalid_request', { message: 'A cursor goes with a filter only.', param: 'cursor' });
  }
  return { ids };
}

/** How many a selection holds; exact, or marked as an estimate. */
export function countSelected(
  { jobs }: LibraryParts,
  caller: Principal,
  selection: Selection,
): Promise<Total> | Total {
  if ('ids' in selection) return { total: selection.ids.length, isEstimate: false };
  return jobs.count(caller, selection.filter, orderOf(selection));
}

/** The videos of a selection in a stable order, at most `limit`: as the ids are given, or from the oldest on. */
export async function* walk(
  parts: LibraryParts,
  caller: Principal,
  selection: Selection,
  limit: number,
  known?: Total,
): AsyncGenerator<Selected, string | undefined> {
  if ('ids' in selection) {
    for (let start = 0; start < selection.ids.length; start += PAGE) {
      const ids = selection.ids.slice(start, start + PAGE);
      const found = new Map((await findOwned(parts.db, caller.ownerId, ids)).map((job) => [job.id, job]));
      for (const id of ids) yield { id, job: found.get(id) };
    }
    return undefined;
  }
  let { cursor } = selection;
  for (let left = limit; left > 0;) {
    const page = { ...orderOf(selection), limit: Math.min(PAGE, left), cursor };
    const { jobs, nextCursor } = await parts.jobs.list(caller, selection.filter, page, known);
    for (const job of jobs) yield { id: job.id, job };
    left -= jobs.length;
    cursor = nextCursor;
    if (nextCursor === undefined) break;
  }
  return cursor;
}

/** How many come behind a cursor of the selection's own order. */
export async function countBehind(
  { jobs }: LibraryParts,
  caller: Principal,
  selection: Selection,
  cursor: string,
): Promise<Total> {
  if ('ids' in selection) return { total: 0, isEstimate: false };
  return jobs.countBehind(caller, selection.filter, { ...orderOf(selection), cursor });
}

function orderOf({ filter }: Extract<Selection, { filter: unknown }>): PageRequest {
  return { sort: filter.trashed ? 'trashedAt' : 'createdAt', order: 'asc', limit: PAGE, offset: 0 };
}
