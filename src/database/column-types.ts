import { TypeOverrides, types as pgTypes } from 'pg';

const { INT8, NUMERIC, DATE } = pgTypes.builtins;

/**
 * How column values come back, where `pg`'s own choice does not suit:
 * bigint (ids, money in micros, counts) as a number, numeric (sums of bigint) as a number, date as `YYYY-MM-DD`.
 * A whole number too large to be exact fails the query instead of coming back wrong.
 */
export function columnTypes(): TypeOverrides {
  const types = new TypeOverrides();
  types.setTypeParser(INT8, toNumber);
  types.setTypeParser(NUMERIC, toNumber);
  types.setTypeParser(DATE, (text: string) => text);
  return types;
}

function toNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new RangeError(`${text} is too large for an exact number`);
  return value;
}
