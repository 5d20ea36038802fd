import { AppError } from '../core/errors.ts';
import type { Asset, AssetPlace } from './assets.repository.ts';

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
  after: AssetPlace | undefined;
}

/** Throws `invalid_cursor`. */
export function readAssetPage({ page = 1, limit = 20, cursor }: AssetPageRequest): AssetPage {
  const after = cursor === undefined ? undefined : decodeCursor(cursor);
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
      nextCursor: rows.length > page.limit && last ? encodeCursor(last) : null,
    },
  };
}

function encodeCursor({ created_at: at, id }: Asset): string {
  return Buffer.from(JSON.stringify([at.toISOString(), id])).toString('base64url');
}

function decodeCursor(cursor: string): AssetPlace {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(value) && typeof value[1] === 'string' && /^asset_\w+$/.test(value[1])) {
      const createdAt = new Date(String(value[0]));
      if (!Number.isNaN(createdAt.getTime())) return { createdAt, id: value[1] };
    }
  } catch {
    // Not JSON: falls through to the same answer as any other text that is not a cursor.
  }
  throw new AppError('invalid_cursor', { param: 'cursor' });
}
