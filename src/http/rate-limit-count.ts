import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';

/** Something that is counted up to a limit, by a name of its own. */
export interface Bucket {
  name: string;
  max: number;
}

/** How a bucket stands after a count. */
export interface Level {
  max: number;
  used: number;
  /** Until its window ends. */
  resetMs: number;
}

export interface Verdict {
  isAllowed: boolean;
  levels: readonly Level[];
}

/**
 * Counts one request in every bucket, or in none when one of them is full: what is refused uses up nothing. With a cost
 * of 0 it only looks. A promise only where the counts are shared between processes. Never throws.
 */
export type Count = (
  buckets: readonly Bucket[],
  windowMs: number,
  cost?: 0 | 1,
) => Verdict | Promise<Verdict>;

interface Window {
  endsAt: number;
  used: number;
}

const MAX_BUCKETS = 200_000;

/** Counts in fixed windows in this process's memory, each of which begins with its first request. */
export function createMemoryCount(clock: Clock): (...args: Parameters<Count>) => Verdict {
  const windows = new LRUCache<string, Window>({ max: MAX_BUCKETS });

  // Before every request: loops, and nothing made that is not kept.
  return (buckets, windowMs, cost = 1) => {
    const now = clock.now();
    const found: Window[] = [];
    let isAllowed = true;
    for (const { name, max } of buckets) {
      const known = windows.get(name);
      const window = known && known.endsAt > now ? known : { endsAt: now + windowMs, used: 0 };
      if (window !== known && cost > 0) windows.set(name, window);
      if (window.used >= max) isAllowed = false;
      found.push(window);
    }
    const levels = found.map((window, index) => {
      if (isAllowed) window.used += cost;
      return { max: buckets[index]?.max ?? 0, used: window.used, resetMs: window.endsAt - now };
    });
    return { isAllowed, levels };
  };
}
