import { AppError } from '../core/errors.ts';
import { JOB_STATUSES, type JobStatus } from './job.ts';
import type { JobFilter, PageRequest } from './job-list.repository.ts';
import type { ListQuery } from './jobs.schemas.ts';

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
    sort = 'createdAt',
    order = 'desc',
    cursor,
    provider,
    batchId,
    tag,
    q,
  } = query;
  if (page * limit > DEEPEST_ROW && cursor === undefined) {
    throw bad(
      'page',
      `Pages by number go up to ${DEEPEST_ROW} videos: follow nextCursor, or narrow the search.`,
    );
  }
  const filter = {
    status: query.status === undefined ? undefined : statuses(query.status),
    model: query.model?.split(','),
    provider,
    batchId,
    tag,
    q,
    from: time('from', query.from),
    to: time('to', query.to),
  };
  return { filter, page: { page, limit, offset: (page - 1) * limit, sort, order, cursor } };
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
  if (Number.isNaN(date.getTime())) throw bad(field, `${field} is a time such as 2026-11-20T12:00:00Z.`);
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
