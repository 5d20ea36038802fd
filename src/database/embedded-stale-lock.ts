import { type FileHandle, open } from 'node:fs/promises';
import process from 'node:process';
import type { Places } from './embedded-places.ts';
import { isAlive, isPostmasterOf } from './process-alive.ts';

/**
 * Helps a start over the lock files of a killed postmaster whose process id belongs to another process by now,
 * for which PostgreSQL would refuse. It takes files that name its own parent for stale, and then still checks
 * by what else they say whether server processes have survived: so they are not removed, but made to name us.
 *
 * To be called when PostgreSQL has kept refusing for a while. Linux only: elsewhere nothing tells a postmaster
 * from another process.
 */
export async function disownReusedPid(places: Places): Promise<void> {
  if (process.platform !== 'linux') return;
  for (const file of [places.pidFile, places.socketLockFile]) {
    const handle = await open(file, 'r+').catch(() => undefined);
    if (handle === undefined) continue;
    try {
      await disown(handle, places.cluster);
    } finally {
      await handle.close();
    }
  }
}

/** Works on the open file: should a postmaster put a new one in its place meanwhile, that stays as it is. */
async function disown(handle: FileHandle, cluster: string): Promise<void> {
  const text = await handle.readFile('utf8');
  const [pid = ''] = text.split('\n', 1);
  if (!isAlive(Number(pid)) || (await isPostmasterOf(cluster, Number(pid)))) return;
  // Not truncated and never shorter, so that no reader finds it empty; the number may have spaces after it.
  await handle.write(String(process.pid).padEnd(pid.length) + text.slice(pid.length), 0);
}
