import { createHash } from 'node:crypto';

/** Numbers that depend on nothing but a seed. */
export interface Random {
  /** In [0, 1). */
  fraction(): number;
  /** Whole, from `min` to `max`, both included. */
  int(min: number, max: number): number;
  chance(rate: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** Waiting time of a Poisson process, at most five times the mean. */
  gap(meanMs: number): number;
  /** A stream of its own for one concern, whatever the others draw. */
  fork(name: string): Random;
}

export function createRandom(seed: string | number): Random {
  let state = createHash('sha256').update(String(seed)).digest().readUInt32LE(0);

  /** Mulberry32. */
  function fraction(): number {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  return {
    fraction,
    int: (min, max) => min + Math.floor(fraction() * (max - min + 1)),
    chance: (rate) => fraction() < rate,
    pick<T>(items: readonly T[]): T {
      const item = items[Math.floor(fraction() * items.length)];
      if (item === undefined) throw new RangeError('nothing to pick from');
      return item;
    },
    gap: (meanMs) => Math.min(5 * meanMs, -Math.log(1 - fraction()) * meanMs),
    fork: (name) => createRandom(`${seed}/${name}`),
  };
}
