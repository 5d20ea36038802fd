import type { Fleet } from '../fleet.ts';

const FUNCTIONS = ['now', 'transaction_timestamp', 'statement_timestamp', 'clock_timestamp'];

/**
 * From now on, for every new connection, the database's clock is ahead by so many ms: its functions of time are covered
 * by ours, which the search path finds first.
 */
export async function shiftDatabase({ window }: Fleet, ms: number): Promise<void> {
  for (const name of FUNCTIONS) {
    const kind = name === 'clock_timestamp' ? 'volatile' : 'stable';
    await window.query(
      `create function public.${name}() returns timestamptz language sql ${kind}
       as $$ select pg_catalog.${name}() + interval '${Math.round(ms)} ms' $$`,
    );
  }
  await window.query(
    `do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$`,
  );
}
