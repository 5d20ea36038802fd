import pLimit from 'p-limit';
import type { Principal } from '../accounts/principal.ts';
import type { Job } from '../jobs/job.ts';
import { type JudgedItem, named, problemOf, refusal } from './judge-items.ts';

/** A reference image in storage, as jobs name it. */
export type Picture = Pick<Job, 'reference_key' | 'reference_type' | 'asset_id'>;

/** Checks and stores an image that a client names by asset id, address or data URL. Throws `AppError` for a bad one. */
export type TakePicture = (caller: Principal, input: string) => Promise<Picture>;

/** Images fetched and checked at a time. */
const AT_ONCE = 4;

/**
 * Attaches the reference images of all items; one that several items share is taken once. Throws `invalid_batch` that
 * names the items of every image that cannot be used.
 */
export async function takePictures(
  take: TakePicture,
  caller: Principal,
  items: readonly JudgedItem[],
): Promise<void> {
  const users = new Map<string, number[]>();
  for (const [index, { picture }] of items.entries()) {
    if (picture !== undefined) users.set(picture, [...(users.get(picture) ?? []), index]);
  }
  const limit = pLimit(AT_ONCE);
  const taking = [...users].map(([input, indexes]) =>
    limit(async () => {
      try {
        const picture = await take(caller, input);
        for (const index of indexes) Object.assign(items[index]?.job ?? {}, picture);
        return [];
      } catch (error) {
        const problem = { ...problemOf(error), field: 'inputReference' };
        return indexes.map((index) => named(problem, index, items[index]?.line));
      }
    }),
  );
  const problems = (await Promise.all(taking)).flat();
  if (problems.length > 0)
    throw refusal(
      problems.toSorted((a, b) => a.index - b.index),
      items.length,
    );
}
