/** Works through a list, so many at a time. Rejects with the first error, when those under way have ended. */
export async function forEachBounded<Item>(
  items: Iterable<Item>,
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const over = new AbortController();
  const lane = async () => {
    for (let next = iterator.next(); !next.done && !over.signal.aborted; next = iterator.next())
      await work(next.value);
  };
  const lanes = Array.from({ length: limit }, () =>
    lane().catch((error: unknown) => {
      over.abort();
      throw error;
    }),
  );
  const settled = await Promise.allSettled(lanes);
  for (const result of settled) if (result.status === 'rejected') throw result.reason;
}
