import { AppError } from '../core/errors.ts';

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
