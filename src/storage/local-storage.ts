import { createReadStream } from 'node:fs';
import { access, constants, mkdir, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../core/errors.ts';
import type { Storage } from './storage.ts';

const KEY = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[\w.-]+(?:\/[\w.-]+)*$/;

/** Below this much free space the store counts as unable to take a video. */
const MIN_FREE_BYTES = 64 * 1024 ** 2;

/** Files under a folder, which must be on the same file system as the files handed to `putFile`. */
export async function openLocalStorage(root: string): Promise<Storage> {
  await mkdir(root, { recursive: true });

  function pathOf(key: string): string {
    if (!KEY.test(key)) throw new TypeError(`not a storage key: ${JSON.stringify(key)}`);
    return join(root, key);
  }

  async function size(key: string): Promise<number | undefined> {
    try {
      const entry = await stat(pathOf(key));
      return entry.isFile() ? entry.size : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  return {
    async putFile(key, file) {
      const target = pathOf(key);
      await mkdir(dirname(target), { recursive: true });
      await syncPath(file);
      await rename(file, target);
      // The rename itself is durable only once its folder is.
      await syncPath(dirname(target));
    },
    size,
    async open(key, range) {
      if ((await size(key)) === undefined) throw new AppError('content_not_found');
      return createReadStream(pathOf(key), range ? { start: range.start, end: range.end } : {});
    },
    async remove(key) {
      await rm(pathOf(key), { force: true });
    },
    async check() {
      await access(root, constants.W_OK);
      const { bavail, bsize } = await statfs(root);
      if (bavail * bsize < MIN_FREE_BYTES) throw new Error('the disk is nearly full');
    },
  };
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
