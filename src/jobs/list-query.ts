import { AppError } from '../core/errors.ts';
import { JOB_STATUSES, type JobStatus } from './job.ts';
import type { JobFilter, PageRequest } from './job-list.repository.ts';
import type { ListFilter, ListQuery } from './jobs.schemas.ts';

/** Pages by number end here: further on, follow the cursor. */
const DEEPEST_ROW = 10_000;

export interface ParsedPage extends PageRequest {
  page: number;
}

/** The query string of a list in the repository's terms. Throws `invalid_request` naming the field. */
export function readListQuery(query: ListQuery): { filter: Omit<JobFilter, 'ownerId'>; page: ParsedPage } {
  const {
    page = 1,
    limit = 20,
    sort = query.trashed ? 'trashedAt' : 'createdAt',
    order = 'desc',
    cursor,
  } = query;
  if (page * limit > DEEPEST_ROW && cursor === undefined) {
    throw bad(
      'page',
      `Pages by number go up to ${DEEPEST_ROW} videos: follow nextCursor, or narrow the search.`,
    );
  }
  if ((sort === 'trashedAt') !== (query.trashed ?? false)) {
    throw bad('sort', 'The trash, and only the trash, is sorted by trashedAt.');
  }
  const filter = readListFilter(query);
  return { filter, page: { page, limit, offset: (page - 1) * limit, sort, order, cursor } };
}

/** The fields that narrow a list, wherever they come from. Throws `invalid_request` naming the field. */
export function readListFilter(fields: ListFilter): Omit<JobFilter, 'ownerId'> {
  for (const [field, value] of Object.entries(fields)) {
    if (typeof value === 'string' && (value.includes('\u0000') || !value.isWellFormed()))
      throw bad(field, `${field} has characters that are no text.`);
  }
  const { provider, batchId, q, starred, pinned, trashed, collection, parent } = fields;
  return {
    status: fields.status === undefined ? undefined : statuses(fields.status),
    model: fields.model?.split(','),
    provider,
    batchId,
    tags: fields.tag?.split(',').map((tag) => tag.trim()),
    q,
    from: time('from', fields.from),
    to: time('to', fields.to),
    collectionId: collection === 'none' ? null : collection,
    starred,
    pinned,
    parentId: parent,
    trashed,
  };
}

function statuses(text: string): JobStatus[] {
  return text.split(',').map((part) => {
    const status = JOB_STATUSES.find((known) => known === part.trim());
    if (!status)
      throw bad('status', `status is one or several of ${JOB_STATUSES.join(', ')}, separated by commas.`);
    return status;
  });
}

function time(field: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const date = new Date(text);
  // PostgreSQL has no time before 4713 BC.
  if (!(date.getUTCFullYear() >= 0)) throw bad(field, `${field} is a time such as 2026-11-20T12:00:00Z.`);
  return date;
}

function bad(param: string, message: string): AppError {
  return new AppError('invalid_request', { message, param });
}

/** The `pagination` of an answer. */
export function paginationOf(
  page: ParsedPage,
  count: { total: number; isEstimate: boolean },
  nextCursor: string | undefined,
) {
  return {
    page: page.cursor === undefined ? page.page : null,
    limit: page.limit,
    total: count.total,
    totalPages: Math.ceil(count.total / page.limit),
    ...(count.isEstimate ? { totalIsEstimate: true } : {}),
    nextCursor: nextCursor ?? null,
  };
}
