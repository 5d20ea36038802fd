import {
  chown,
  lchown,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { newSecret } from '../core/ids.ts';
import type { Binaries } from './embedded-binaries.ts';
import { type Launcher, run } from './embedded-launcher.ts';
import type { Places } from './embedded-places.ts';
import { initdbArguments } from './embedded-settings.ts';
import { isAlive } from './process-alive.ts';
import { DatabaseStartError } from './start-error.ts';

/**
 * Whether the DATA_DIR has a database.
 * @throws DatabaseStartError when what is there belongs to another user or another PostgreSQL version.
 */
export async function clusterExists(places: Places, binaries: Binaries): Promise<boolean> {
  let version: string;
  try {
    version = (await readFile(path.join(places.cluster, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return false;
    throw new DatabaseStartError(
      'unsupported',
      `The database in ${places.home} cannot be read (${code}). It probably belongs to the user who started ` +
        'Sora Studio before: start it as that user again, or give the folder to this one (chown -R).',
      error,
    );
  }
  if (version !== binaries.majorVersion)
    throw new DatabaseStartError(
      'unsupported',
      `The database in ${places.home} was made by PostgreSQL ${version}, this is PostgreSQL ` +
        `${binaries.majorVersion}. Move it over with pg_dump and pg_restore, or use the former release.`,
    );
  return true;
}

/**
 * Makes a fresh database. It is made beside its place and moved there complete, so that a crash in the middle
 * leaves nothing half done; when another process was faster, its database stays and this one is dropped.
 */
export async function createCluster(
  places: Places,
  binaries: Binaries,
  launcher: Launcher,
  durable: boolean,
): Promise<void> {
  const draft = await mkdtemp(`${places.home}.init-${process.pid}-`);
  try {
    const passwordFile = path.join(draft, 'password');
    await writeFile(passwordFile, `${newSecret('pg')}\n`, { mode: 0o600 });
    await giveTo(launcher, draft);
    const cluster = path.join(draft, 'data');
    const { code, output } = await run(
      launcher,
      binaries.initdb,
      initdbArguments(cluster, passwordFile, durable),
    );
    if (code !== 0)
      throw new DatabaseStartError('broken', `PostgreSQL's initdb failed in ${places.dataDir}:\n${output}`);
    if (durable) await syncFolder(draft);
    await moveIntoPlace(draft, places, binaries);
    if (durable) await syncFolder(places.dataDir);
  } finally {
    await discard(draft);
  }
}

async function moveIntoPlace(draft: string, places: Places, binaries: Binaries): Promise<void> {
  try {
    // Fails when the target is a folder with something in it.
    await rename(draft, places.home);
  } catch (error) {
    if (await clusterExists(places, binaries)) return;
    throw new DatabaseStartError(
      'broken',
      `${places.home} is in the way: it exists and holds no database. Move it away or choose another DATA_DIR.`,
      error,
    );
  }
}

/** Removes what processes that died during initdb left behind. */
export async function removeDrafts(places: Places): Promise<void> {
  const prefix = `${path.basename(places.home)}.init-`;
  for (const name of await readdir(places.dataDir)) {
    if (!name.startsWith(prefix) || isAlive(Number.parseInt(name.slice(prefix.length), 10))) continue;
    await discard(path.join(places.dataDir, name));
  }
}

/** An initdb that has lost its parent may still be writing; what cannot be removed now goes at the next start. */
async function discard(draft: string): Promise<void> {
  await rm(draft, { recursive: true, force: true, maxRetries: 4, retryDelay: 50 }).catch(() => {});
}

/** Makes the user the launcher runs PostgreSQL as the owner of a folder and all in it, if it is not yet. */
export async function giveTo(launcher: Launcher, folder: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const [uid, gid] = [launcher.uid ?? 0, launcher.gid ?? 0];
  if ((await stat(folder)).uid === uid) return;
  for (const entry of await readdir(folder, { recursive: true }))
    await lchown(path.join(folder, entry), uid, gid);
  // The folder itself comes last, so that an interrupted change is taken up again.
  await chown(folder, uid, gid);
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder);
  await handle.sync();
  await handle.close();
}
