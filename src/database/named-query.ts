import { CompiledQuery, type PostgresPool, type PostgresPoolClient } from 'kysely';
import type { Pool, PoolClient, QueryConfig } from 'pg';
import type { Db } from './open.ts';

/** Names by statement text, for the whole process: the same statement has the same name on every connection. */
const names = new Map<string, string>();

/**
 * Runs a statement under a name, so that each connection parses and plans it once: for the hottest paths.
 * Works on the database and inside a transaction alike. A name belongs to one statement text.
 */
export async function namedQuery<Row>(
  db: Db,
  name: string,
  text: string,
  values: readonly unknown[],
): Promise<Row[]> {
  if (names.get(text) !== name) names.set(text, name);
  const { rows } = await db.executeQuery<Row>(CompiledQuery.raw(text, [...values]));
  return rows;
}

type Query = PostgresPoolClient['query'];

/**
 * A pool whose connections look statements up by their text and send named ones by name. Kysely has no word
 * for prepared statements, so this is the one place where they can join its transactions.
 */
export function poolWithNames(pool: Pool): PostgresPool {
  const wrapped = new WeakMap<PoolClient, PostgresPoolClient>();
  return {
    options: pool.options,
    connect: async () => {
      const client = await pool.connect();
      const known = wrapped.get(client) ?? wrap(client);
      wrapped.set(client, known);
      return known;
    },
    end: () => pool.end(),
  };
}

function wrap(client: PoolClient): PostgresPoolClient {
  const plain = client.query.bind(client) as unknown as Query;
  const named = client.query.bind(client) as (config: QueryConfig) => ReturnType<Query>;
  let broken = false;
  const note = (error: unknown) => {
    broken ||= isFatal(error);
  };
  const query = ((text: string, values: unknown[]) => {
    const name = names.get(text);
    const result = name === undefined ? plain(text, values) : named({ name, text, values });
    (result as Promise<unknown>).catch(note);
    return result;
  }) as Query;
  // A connection the server has given up is not for the next one, even if its end has not arrived yet.
  const release = (error?: Error | boolean) => client.release(error || broken);
  return { query, release } as PostgresPoolClient;
}

/** PostgreSQL ends the session after an error of this severity. */
function isFatal(error: unknown): boolean {
  const severity = (error as { severity?: unknown }).severity;
  return severity === 'FATAL' || severity === 'PANIC';
}
