import { AppError } from '../core/errors.ts';
import { nativeField } from '../http/errors.ts';
import type { ItemProblem } from './batch.ts';

/** A problem and the item that has it, as the answer lists them. */
export interface NamedProblem extends ItemProblem {
  index: number;
  line?: number;
}

/** A problem of the item at a place; `line` where it came from a file. */
export function named(problem: ItemProblem, index: number, line: number | undefined): NamedProblem {
  return { index, ...(line === undefined ? {} : { line }), ...problem };
}

/** What is wrong with an item, out of what was thrown about it. Throws what says nothing about an item. */
export function problemOf(error: unknown): ItemProblem {
  if (!(error instanceof AppError) || error.status >= 500) throw error;
  // About the caller, not about the item: mending the batch would not help.
  if (error.code === 'model_not_allowed') throw error;
  const { code, message, param } = error;
  const field = nativeField(param);
  return { code, message, ...(field === undefined ? {} : { field }) };
}

/** The answer to a batch with such items: all of them at once. */
export function refusal(problems: readonly NamedProblem[], total: number): AppError {
  const count = new Set(problems.map(({ index }) => index)).size;
  const [first] = problems;
  const place = first?.line === undefined ? `videos[${first?.index}]` : `line ${first.line}`;
  return new AppError('invalid_batch', {
    message: `Nothing was created: ${count} of ${total} videos ${count === 1 ? 'is' : 'are'} not valid. The first, ${place}: ${first?.message}`,
    details: { items: problems },
  });
}

/** The limit is told, whatever the number is. */
export function wrongNumber(given: number, limit: number): AppError {
  const has = given === 0 ? 'this one has none' : 'this one has more';
  return new AppError('invalid_batch', {
    message: `A batch has 1 to ${limit} videos; ${has}.`,
    details: { limit },
    param: 'videos',
  });
}
