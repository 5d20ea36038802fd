import { access, constants, mkdir, open, opendir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../core/errors.ts';
import { checkSize } from './check-file.ts';
import { readFileChunks } from './file-chunks.ts';
import { checkKey, checkPrefix, isKey } from './key.ts';
import type { Storage, StoredObject } from './storage.ts';

/** Below this much free space the store counts as unable to take a video. */
const MIN_FREE_BYTES = 64 * 1024 ** 2;

/** Files under a folder, which must be on the same file system as the files handed to `putFile`. */
export async function openLocalStorage(root: string): Promise<Storage> {
  await mkdir(root, { recursive: true });

  const pathOf = (key: string): string => join(root, checkKey(key));

  async function describe(key: string): Promise<StoredObject | undefined> {
    const entry = await stat(pathOf(key)).catch(unlessMissing);
    return entry?.isFile() ? { key, sizeBytes: entry.size, modifiedAt: entry.mtime } : undefined;
  }

  /** The files of a folder (`''` or `…/`) and of those in it. One that goes away meanwhile is left out. */
  async function* walk(folder: string, prefix: string): AsyncGenerator<StoredObject> {
    for await (const entry of (await opendir(join(root, folder)).catch(unlessMissing)) ?? []) {
      const key = `${folder}${entry.name}`;
      if (!key.startsWith(prefix) || !isKey(key)) continue;
      if (entry.isDirectory()) yield* walk(`${key}/`, prefix);
      const object = entry.isFile() ? await describe(key) : undefined;
      if (object) yield object;
    }
  }

  return {
    async putFile(key, file, { sizeBytes }) {
      const target = pathOf(key);
      await checkSize(file, sizeBytes);
      await mkdir(dirname(target), { recursive: true });
      await syncPath(file);
      await rename(file, target);
      // The rename itself is durable only once its folder is.
      await syncPath(dirname(target));
    },
    size: async (key) => (await describe(key))?.sizeBytes,
    async open(key, range) {
      const file = await open(pathOf(key), 'r').catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'ENOENT' ? new AppError('content_not_found') : error;
      });
      return readFileChunks(file, range);
    },
    async remove(key) {
      await rm(pathOf(key), { force: true });
    },
    list: (prefix) => walk(checkPrefix(prefix).slice(0, prefix.lastIndexOf('/') + 1), prefix),
    async check() {
      await access(root, constants.W_OK);
      const { bavail, bsize } = await statfs(root);
      if (bavail * bsize < MIN_FREE_BYTES) throw new Error('the disk is nearly full');
    },
  };
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
