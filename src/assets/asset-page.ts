import { decodeCursor, encodeCursor, type Place } from '../core/cursor.ts';
import type { Asset } from './assets.repository.ts';

const LIST = 'assets';

export interface AssetPageRequest {
  page?: number | undefined;
  limit?: number | undefined;
  /** `nextCursor` of the page before; instead of `page`. */
  cursor?: string | undefined;
}

export interface AssetList {
  assets: Asset[];
  pagination: {
    page: number | null;
    limit: number;
    total: number;
    totalPages: number;
    nextCursor: string | null;
  };
}

export interface AssetPage {
  page: number;
  limit: number;
  offset: number;
  after: Place | undefined;
}

/** Throws `invalid_cursor`. */
export function readAssetPage({ page = 1, limit = 20, cursor }: AssetPageRequest): AssetPage {
  const after = cursor === undefined ? undefined : decodeCursor(LIST, cursor);
  return { page, limit, offset: (page - 1) * limit, after };
}

/** `rows` has one more than the page when there is a next one. */
export function toAssetList(rows: readonly Asset[], total: number, page: AssetPage): AssetList {
  const assets = rows.slice(0, page.limit);
  const last = assets.at(-1);
  return {
    assets,
    pagination: {
      page: page.after ? null : page.page,
      limit: page.limit,
      total,
      totalPages: Math.ceil(total / page.limit),
      nextCursor:
        rows.length > page.limit && last ? encodeCursor(LIST, { at: last.created_at, id: last.id }) : null,
    },
  };
}
