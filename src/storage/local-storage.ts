import { access, constants, type FileHandle, mkdir, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../core/errors.ts';
import type { ByteRange, Storage } from './storage.ts';

const KEY = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[\w.-]+(?:\/[\w.-]+)*$/;

const CHUNK_BYTES = 64 * 1024;

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
      const file = await open(pathOf(key), 'r').catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'ENOENT' ? new AppError('content_not_found') : error;
      });
      return readChunks(file, range ?? { start: 0, end: Infinity });
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

/** Reads on while the chunk before is being sent: two buffers take turns, and no third is ever needed. */
async function* readChunks(file: FileHandle, { start, end }: ByteRange): AsyncGenerator<Buffer> {
  const buffers = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)] as const;
  let position = start;
  const read = async (turn: number) => {
    const length = Math.min(CHUNK_BYTES, end + 1 - position);
    const buffer = buffers[turn % 2 === 0 ? 0 : 1];
    const { bytesRead } = length > 0 ? await file.read(buffer, 0, length, position) : { bytesRead: 0 };
    position += bytesRead;
    return buffer.subarray(0, bytesRead);
  };
  let next: Promise<Buffer> | undefined;
  try {
    next = read(0);
    for (let turn = 1; ; turn += 1) {
      const chunk = await next;
      if (chunk.length === 0) return;
      next = read(turn);
      yield chunk;
    }
  } finally {
    await next?.catch(() => {});
    await file.close();
  }
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
