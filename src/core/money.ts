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
