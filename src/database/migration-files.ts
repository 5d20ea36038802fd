import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { sha256 } from '../core/ids.ts';

export interface MigrationFile {
  version: number;
  /** The file's name, `0001_name.sql`. */
  name: string;
  sql: string;
  sha256: string;
}

const NAME = /^(\d{4})_[a-z0-9_-]+\.sql$/;

/** Stops the start: the migrations and the database do not fit together. The message says which and why. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

/**
 * The migrations of a folder in their order; none when the folder is missing.
 * @throws MigrationError when a file's name is not `0001_name.sql` or two have the same number.
 */
export async function readMigrations(dir: string): Promise<MigrationFile[]> {
  const names = await readdir(dir).catch(() => []);
  const files = names.filter((name) => name.endsWith('.sql')).sort();
  const migrations = await Promise.all(files.map((name) => readMigration(dir, name)));
  for (const [index, { version, name }] of migrations.entries()) {
    const before = migrations[index - 1];
    if (before?.version === version)
      throw new MigrationError(`Two migrations have the number ${version}: ${before.name} and ${name}.`);
  }
  return migrations;
}

async function readMigration(dir: string, name: string): Promise<MigrationFile> {
  const version = Number(NAME.exec(name)?.[1]);
  if (!(version > 0)) throw new MigrationError(`A migration has to be named like 0001_name.sql: ${name}`);
  const sql = await readFile(path.join(dir, name), 'utf8');
  // Git on Windows may change line ends; that is no change of the migration.
  return { version, name, sql, sha256: sha256(sql.replaceAll('\r\n', '\n')) };
}
