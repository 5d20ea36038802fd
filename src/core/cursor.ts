import { AppError } from './errors.ts';

/** A row's place in a list: the time it is sorted by, and its id where times are equal. */
export interface Place {
  at: Date;
  id: string;
}

/**
 * The cursor of what comes behind a place, opaque to clients. `list` says which list in which order it is for; with times to
 * the millisecond, like all of ours.
 */
export function encodeCursor(list: string, { at, id }: Place): string {
  return Buffer.from(JSON.stringify([list, at.toISOString(), id])).toString('base64url');
}

/** Throws `invalid_cursor` for whatever `encodeCursor` did not make for this list. */
export function decodeCursor(list: string, cursor: string): Place {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(value) && value[0] === list && typeof value[2] === 'string') {
      const [, time, id] = value as [string, unknown, string];
      const at = new Date(String(time));
      // No database takes a zero byte in a text, nor every time that a date object can have.
      if (at.getUTCFullYear() >= 0 && !id.includes('\u0000')) return { at, id };
    }
  } catch {
    // Not JSON: the same answer as for any other text that is not a cursor.
  }
  throw new AppError('invalid_cursor', { param: 'cursor' });
}
