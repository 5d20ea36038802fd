import { readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { findBinaries } from './embedded-binaries.ts';
import { placesIn } from './embedded-places.ts';
import { readPidFile } from './embedded-postmaster.ts';
import { stopPostmaster } from './embedded-stop.ts';
import { isAlive } from './process-alive.ts';
import { silentLog } from './silent-log.ts';

/** Temporary folders of test servers are named by this and the process id of their test run. */
export const TEST_FOLDER_PREFIX = 'sora-test-';

/** The databases of a run and their copies take some 8 MB each. */
const ENOUGH_BYTES = 1_000_000_000;

/** In memory where there is room: copying a database there takes 10 ms, on a busy disk thirty times that. */
export async function temporaryFolder(): Promise<string> {
  const memory = '/dev/shm';
  const room = await statfs(memory).catch(() => undefined);
  return room !== undefined && room.bavail * room.bsize > ENOUGH_BYTES ? memory : tmpdir();
}

/** Stops and removes the servers of test runs that were killed before they could do it. */
export async function removeLeftovers(): Promise<void> {
  const parent = await temporaryFolder();
  for (const name of await readdir(parent)) {
    if (!name.startsWith(TEST_FOLDER_PREFIX)) continue;
    if (isAlive(Number.parseInt(name.slice(TEST_FOLDER_PREFIX.length), 10))) continue;
    const folder = path.join(parent, name);
    await stopLeftover(folder).catch(() => {});
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

async function stopLeftover(folder: string): Promise<void> {
  const places = placesIn(folder);
  const file = await readPidFile(places);
  if (file === undefined || process.platform === 'win32') return;
  await stopPostmaster(
    places,
    await findBinaries(),
    undefined,
    { pid: file.pid, child: undefined },
    silentLog,
  );
}
