import { Client } from 'pg';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { MigrationError, type MigrationFile, readMigrations } from './migration-files.ts';

export interface MigrateOptions {
  /** The folder with the numbered SQL files. */
  dir: string;
  log: Log;
}

interface AppliedMigration {
  version: number;
  name: string;
  sha256: string;
}

/** The advisory lock's number: "migr" in ASCII. */
const LOCK_KEY = 0x6d_69_67_72;

/**
 * Brings a database up to the migrations in a folder and resolves with the names of those it ran. Each file
 * runs in a transaction of its own, once, in order of the numbers; several processes may start at once.
 * @throws MigrationError when an applied file has changed, is missing here (the database is newer than the
 * code), a new one stands before an applied one, or its SQL fails; that file then leaves no trace.
 */
export async function migrate(url: string, { dir, log }: MigrateOptions): Promise<string[]> {
  const files = await readMigrations(dir);
  const client = new Client({ connectionString: url, application_name: 'sora-studio migrate' });
  // A lost connection also rejects the query that runs; without a listener it would end the process.
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK_KEY]);
    await client.query(
      `create table if not exists schema_migrations (
        version int primary key,
        name text not null,
        sha256 text not null,
        applied_at timestamptz not null default now()
      )`,
    );
    const { rows: applied } = await client.query<AppliedMigration>(
      'select version, name, sha256 from schema_migrations order by version',
    );
    const due = dueMigrations(files, applied);
    for (const file of due) await apply(client, file, log);
    return due.map((file) => file.name);
  } finally {
    // Ends the session, and the lock with it.
    await client.end();
  }
}

function dueMigrations(files: MigrationFile[], applied: AppliedMigration[]): MigrationFile[] {
  const byVersion = new Map(files.map((file) => [file.version, file]));
  for (const { version, name, sha256 } of applied) {
    const file = byVersion.get(version);
    if (file === undefined)
      throw new MigrationError(
        `The database is newer than this program: it has migration ${name}, which does not exist here. ` +
          'Start the newer release, or restore a backup from before it.',
      );
    if (file.sha256 !== sha256)
      throw new MigrationError(
        `Migration ${file.name} has changed since it was applied to this database (as ${name}). ` +
          'Put the file back as it was and write the change as a new migration.',
      );
  }
  const newest = applied.at(-1)?.version ?? 0;
  const due = files.filter((file) => !applied.some(({ version }) => version === file.version));
  const late = due.find((file) => file.version < newest);
  if (late !== undefined)
    throw new MigrationError(
      `Migration ${late.name} stands before number ${newest}, which this database already has. ` +
        'Give it the next free number.',
    );
  return due;
}

async function apply(client: Client, file: MigrationFile, log: Log): Promise<void> {
  await client.query('begin');
  try {
    await client.query(file.sql);
    await client.query('insert into schema_migrations (version, name, sha256) values ($1, $2, $3)', [
      file.version,
      file.name,
      file.sha256,
    ]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw new MigrationError(`Migration ${file.name} failed${place(error, file.sql)}: ${errorText(error)}`, {
      cause: error,
    });
  }
  log.info({ migration: file.name }, 'migration applied');
}

/** ` in line 12`, when PostgreSQL says where. */
function place(error: unknown, sql: string): string {
  const position = Number((error as { position?: unknown }).position);
  return position > 0 ? ` in line ${sql.slice(0, position).split('\n').length}` : '';
}
