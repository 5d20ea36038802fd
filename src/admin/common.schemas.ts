import { Type } from 'typebox';
import { AppError } from '../core/errors.ts';

export const strict = { additionalProperties: false } as const;

export const Time = Type.String({ format: 'date-time' });

/** What every list here is paged by. */
export const PAGE = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
  cursor: Type.Optional(Type.String({ maxLength: 200, description: '`nextCursor` of the page before.' })),
};

export const Span = {
  from: Type.Optional(Type.String({ format: 'date-time', description: 'At or after.' })),
  to: Type.Optional(Type.String({ format: 'date-time', description: 'Before.' })),
};

/** An id or a name in a query string: short, and text that can be stored. */
export const Name = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 200, pattern: '^[^\\u0000]*$', description }));

export const NextCursor = Type.Union([Type.String(), Type.Null()], {
  description: 'For the next page; null on the last one.',
});

export const common = { tags: ['Administration'] };

/** Several values by comma, each one of those that are known. Throws `invalid_request`. */
export function oneOrMore<const T extends string>(
  param: string,
  text: string | undefined,
  known: readonly T[],
): T[] | undefined {
  return text?.split(',').map((part) => {
    const value = known.find((candidate) => candidate === part.trim());
    if (value !== undefined) return value;
    const message = `${param} is one or several of ${known.join(', ')}, separated by commas.`;
    throw new AppError('invalid_request', { message, param });
  });
}
