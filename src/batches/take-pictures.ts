import pLimit from 'p-limit';
import type { Principal } from '../accounts/principal.ts';
import type { AssetsService } from '../assets/assets.service.ts';
import { referenceOf } from '../jobs/reference.ts';
import { named, problemOf, refusal } from './item-problems.ts';
import type { JudgedItem, WantedPicture } from './judge-items.ts';

/** Images fetched and checked at a time. */
const AT_ONCE = 4;

/**
 * Attaches the reference images of all items; one that several items want in the same
 * size is taken once. Throws `invalid_batch` that
 * names the items of every image that cannot be used.
 */
export async function takePictures(
  assets: Pick<AssetsService, 'take'>,
  caller: Principal,
  items: readonly JudgedItem[],
): Promise<void> {
  const wanted = new Map<string, { picture: WantedPicture; indexes: number[] }>();
  for (const [index, { picture }] of items.entries()) {
    if (!picture) continue;
    const known = wanted.get(picture.key);
    if (known) known.indexes.push(index);
    else wanted.set(picture.key, { picture, indexes: [index] });
  }
  const limit = pLimit(AT_ONCE);
  const taking = [...wanted.values()].map(({ picture: { input, scale }, indexes }) =>
    limit(async () => {
      try {
        const picture = referenceOf(await assets.take(caller, input, { scale }));
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
