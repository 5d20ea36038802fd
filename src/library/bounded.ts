/** Works through a list, so many at a time. Rejects with the first error, when those under way have ended. */
export async function forEachBounded<Item>(
  items: Iterable<Item>,
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let isOver = false;
  const lane = async () => {
    for (let next = iterator.next(); !isOver && !next.done; next = iterator.next()) await work(next.value);
  };
  const lanes = Array.from({ length: limit }, () =>
    lane().catch((error: unknown) => {
      isOver = true;
      throw error;
    }),
  );
  const settled = await Promise.allSettled(lanes);
  for (const result of settled) if (result.status === 'rejected') throw result.reason;
}
