import { AppError } from './errors.ts';

/** Money is an integer number of micro-dollars everywhere but at the JSON edge. */
export type Micros = number;

const MICROS_PER_USD = 1_000_000;

/** USD as a decimal number, for JSON. */
export function microsToUsd(micros: Micros): number {
  return micros / MICROS_PER_USD;
}

/** A decimal number of USD, such as a configured price, to the nearest micro-dollar. */
export function usdToMicros(usd: number): Micros {
  if (!Number.isFinite(usd)) throw new RangeError(`not an amount of USD: ${usd}`);
  return Math.round(usd * MICROS_PER_USD);
}

/**
 * An amount that somebody sets, which must not be rounded to another one: to nothing, say. Throws `invalid_request` for what
 * is finer than a micro-dollar.
 */
export function exactMicros(usd: number, param: string): Micros {
  const micros = usdToMicros(usd);
  // What sums of decimals leave behind, such as 0.1 + 0.2, is no finer amount.
  if (Math.abs(microsToUsd(micros) - usd) < 1e-9) return micros;
  throw new AppError('invalid_request', {
    message: `${param}: must be a whole number of micro-dollars.`,
    param,
  });
}
