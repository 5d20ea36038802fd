import { Kysely, type LogEvent, PostgresDialect, type Transaction } from 'kysely';
import { Pool } from 'pg';
import type { Log } from '../core/log.ts';
import { columnTypes } from './column-types.ts';
import { poolWithNames } from './named-query.ts';
import type { DB } from './schema.ts';

export type Database = Kysely<DB>;

/** What repository functions take first: the database, or the transaction they are to join. */
export type Db = Kysely<DB> | Transaction<DB>;

export interface OpenOptions {
  /** A PostgreSQL connection string. */
  url: string;
  /** Connections at the most. */
  maxConnections: number;
  log: Log;
  /** Statements that take this long, in ms, are logged as warnings. */
  slowQueryMs: number;
  /** Shown in pg_stat_activity. */
  applicationName: string;
}

const CONNECT_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 60_000;
const MAX_LOGGED_TEXT = 2_000;
const IDLE_IN_TRANSACTION_MS = 5_000;
const ADMIN_SHUTDOWN = '57P01';

/**
 * Opens a pool of connections; they are made when first needed. `destroy()` closes them all, after the
 * queries that run. A query rejects with `pg`'s DatabaseError, or a connection error (see `retryable`).
 */
export function openDatabase(options: OpenOptions): Database {
  const { log } = options;
  const pool = new Pool({
    connectionString: options.url,
    max: options.maxConnections,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    keepAlive: true,
    // Nothing but SQL happens inside a transaction: one that stands still belongs to a process that does, and others wait.
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    types: columnTypes(),
  });
  // A connection that breaks is only replaced; without listeners it would end the process. While it is in use
  // the running query rejects, or the next one.
  pool.on('connect', (client) =>
    client.on('error', (error) => log.debug({ error: error.message }, 'connection error')),
  );
  pool.on('error', (error: Error & { code?: string }) => {
    // A server that is being shut down says so to whoever is still there: at our own stop that is us.
    const level = error.code === ADMIN_SHUTDOWN ? 'debug' : 'warn';
    log[level]({ error: error.message }, 'an idle database connection was lost');
  });
  return new Kysely<DB>({
    dialect: new PostgresDialect({ pool: poolWithNames(pool) }),
    log: (event) => logSlow(event, options),
  });
}

/** The text has placeholders only; parameters may be prompts and secrets and are never logged. */
function logSlow(event: LogEvent, { log, slowQueryMs }: OpenOptions): void {
  if (event.queryDurationMillis < slowQueryMs) return;
  const ms = Math.round(event.queryDurationMillis);
  log.warn({ sql: event.query.sql.slice(0, MAX_LOGGED_TEXT), ms }, 'slow database query');
}
