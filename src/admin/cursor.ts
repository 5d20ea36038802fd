import { AppError } from '../core/errors.ts';

/** Where the next page of a list begins: behind this time and id. */
export interface Place {
  at: Date;
  id: string;
}

export function encodePlace({ at, id }: Place): string {
  return Buffer.from(JSON.stringify([at.toISOString(), id])).toString('base64url');
}

/** Throws `invalid_cursor`. */
export function decodePlace(cursor: string): Place {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'string') {
      const at = new Date(value[0]);
      if (!Number.isNaN(at.getTime()) && !value[1].includes('\u0000')) return { at, id: value[1] };
    }
  } catch {
    // Not JSON: the same answer as for any other text that is not a cursor.
  }
  throw new AppError('invalid_cursor', { param: 'cursor' });
}

/** The cursor of lists in the order of their numbers. Throws `invalid_cursor`. */
export function decodeNumber(cursor: string): number {
  const number = /^[1-9]\d{0,14}$/.test(cursor) ? Number(cursor) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new AppError('invalid_cursor', { param: 'cursor' });
  return number;
}

/** Of rows of which one more than a page was read: the page, and its last row when there is another page. */
export function cut<Row>(rows: readonly Row[], limit: number): { page: Row[]; last: Row | undefined } {
  const page = rows.slice(0, limit);
  return { page, last: rows.length > limit ? page.at(-1) : undefined };
}
