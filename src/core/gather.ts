export interface Gathering<Item, Result> {
  /** Items of one lane run one call after the other; lanes do not wait for each other. */
  laneOf(item: Item): string;
  /** Does all of them or none; a result for each, in their order. */
  run(items: readonly Item[]): Promise<readonly Result[]>;
  /** Whether a rejection means that nothing was done, perhaps because of a single item: then each is tried by itself. */
  refuses(error: unknown): boolean;
  /** How many items one call takes. */
  most: number;
}

/**
 * Does together what arrives while an earlier call is still under way, as a database commits in groups: alone an item
 * starts at once, and many share the cost of a call. Each gets its own result or rejection.
 */
export function gather<Item, Result>({ laneOf, run, refuses, most }: Gathering<Item, Result>) {
  const lanes = new Map<string, Waiting<Item, Result>[]>();

  async function alone({ item, resolve, reject }: Waiting<Item, Result>): Promise<void> {
    await run([item]).then(([result]) => resolve(result as Result), reject);
  }

  async function together(group: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await run(group.map(({ item }) => item));
      group.forEach(({ resolve }, index) => resolve(results[index] as Result));
    } catch (error) {
      if (!refuses(error)) for (const { reject } of group) reject(error);
      else for (const waiting of group) await alone(waiting);
    }
  }

  async function drain(lane: string, waiting: Waiting<Item, Result>[]): Promise<void> {
    while (waiting.length > 0) {
      const group = waiting.splice(0, most);
      const [only] = group;
      await (only && group.length === 1 ? alone(only) : together(group));
    }
    lanes.delete(lane);
  }

  return (item: Item): Promise<Result> =>
    new Promise((resolve, reject) => {
      const lane = laneOf(item);
      const waiting = lanes.get(lane);
      if (waiting) {
        waiting.push({ item, resolve, reject });
        return;
      }
      const started = [{ item, resolve, reject }];
      lanes.set(lane, started);
      void drain(lane, started);
    });
}

interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}
