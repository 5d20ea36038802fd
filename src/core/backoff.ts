import { randomFraction } from './ids.ts';

export interface Backoff {
  /** Delay before the first retry, in ms. */
  baseMs: number;
  /** Growth with every further retry. */
  factor: number;
  /** No delay is longer than this, in ms. */
  maxMs: number;
}

/**
 * Exponential delay with jitter: between half of the full delay and all of it, so that many who failed
 * together do not come back together. `retry` counts from 0.
 */
export function backoffMs(backoff: Backoff, retry: number, random: () => number = randomFraction): number {
  const full = Math.min(backoff.maxMs, backoff.baseMs * backoff.factor ** retry);
  return Math.round(full * (0.5 + random() / 2));
}
