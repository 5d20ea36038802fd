import { AppError } from '../core/errors.ts';
import { type ParsedPage, readListQuery } from '../jobs/list-query.ts';
import { BATCH_STATUSES, type BatchStatus } from './batch.ts';
import type { BatchFilter } from './batch-list.repository.ts';
import type { ListBatchesQuery } from './batches.schemas.ts';

/** The query string of the list in the repository's terms. Throws `invalid_request` naming the field. */
export function readBatchListQuery({ status, q, ...query }: ListBatchesQuery): {
  filter: Omit<BatchFilter, 'ownerId' | 'id'>;
  page: ParsedPage;
} {
  const { filter, page } = readListQuery(query);
  return {
    filter: {
      status: status === undefined ? undefined : statuses(status),
      q,
      from: filter.from,
      to: filter.to,
    },
    page,
  };
}

function statuses(text: string): BatchStatus[] {
  return text.split(',').map((part) => {
    const status = BATCH_STATUSES.find((known) => known === part.trim());
    if (status) return status;
    throw new AppError('invalid_request', {
      message: `status is one or several of ${BATCH_STATUSES.join(', ')}, separated by commas.`,
      param: 'status',
    });
  });
}
