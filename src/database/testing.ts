import { Pool } from 'pg';
import { inject } from 'vitest';
import { newSecret } from '../core/ids.ts';
import { type Database, openDatabase } from './open.ts';
import { silentLog } from './silent-log.ts';
import { withDatabase } from './url.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Superuser connection string of the test run's PostgreSQL. */
    databaseServerUrl: string;
    /** The database that tests copy; nobody can connect to it. */
    databaseTemplate: string;
  }
}

export interface TestDatabase extends AsyncDisposable {
  url: string;
  db: Database;
  /** Closes `db` and removes the database, cutting other connections to it. */
  drop: () => Promise<void>;
}

/** One connection per test file for making databases; idle, it does not keep the worker alive. */
let admin: Pool | undefined;

function administration(): Pool {
  if (admin !== undefined) return admin;
  admin = new Pool({
    connectionString: inject('databaseServerUrl'),
    max: 1,
    allowExitOnIdle: true,
    idleTimeoutMillis: 0,
  });
  admin.on('error', () => {});
  admin.on('connect', (client) => client.on('error', () => {}));
  return admin;
}

/**
 * A database of its own for a test file, with all tables and no rows, copied from the run's template. Call
 * `drop` when done (or declare it with `await using`); what is forgotten goes when the run ends.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  const template = inject('databaseTemplate');
  const name = `${template}_${newSecret('t')
    .replace(/[^A-Za-z0-9]/g, '')
    .slice(0, 16)
    .toLowerCase()}`;
  await administration().query(`create database ${name} template ${template} strategy file_copy`);
  const url = withDatabase(inject('databaseServerUrl'), name);
  const db = openDatabase({
    url,
    maxConnections: 10,
    log: silentLog,
    slowQueryMs: 60_000,
    applicationName: 'sora-studio test',
  });
  let dropping: Promise<void> | undefined;
  const dropOnce = async () => {
    await db.destroy();
    await administration().query(`drop database if exists ${name} with (force)`);
  };
  const drop = () => (dropping ??= dropOnce());
  return { url, db, drop, [Symbol.asyncDispose]: drop };
}
