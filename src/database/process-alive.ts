import { readlink, realpath } from 'node:fs/promises';
import process from 'node:process';

/** Whether a process of this id exists; also one of another user. */
export function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Whether the process is the postmaster of this data folder. Ids are given out again, so that on Linux its
 * working folder, which a postmaster has in its data folder, decides; elsewhere being alive has to do.
 */
export async function isPostmasterOf(cluster: string, pid: number): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (process.platform !== 'linux') return true;
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(cluster));
  } catch (error) {
    // A dead process that nobody has waited for yet has no working folder; one of another user hides it.
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}
