import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { contentTypeOf } from './content-type.ts';
import { type Hashed, hashOf } from './hash.ts';
import type { Chunks, Storage, StoredObject } from './storage.ts';

export interface MoveOptions {
  from: Storage;
  to: Storage;
  /** For one copy of each object under way; on the same file system as local storage. */
  tempDir: string;
  /** `copy`: what is missing or differs; `look`: count it only; `verify`: compare all bytes of both sides. */
  does: 'copy' | 'look' | 'verify';
  /** With `copy`: removes each object from the source once all bytes of its copy have been read back and compared. */
  deleteSource: boolean;
  /** Objects under way at once. */
  atOnce: number;
  signal: AbortSignal;
  onObject: (counts: MoveCounts) => void;
  onProblem: (key: string, error: unknown) => void;
}

export interface MoveCounts {
  seen: number;
  /** With `look`: what would be copied. */
  copied: number;
  copiedBytes: number;
  /** Had been there already, the same. */
  alike: number;
  deleted: number;
  /** Removed from the source by somebody else before it could be read. */
  gone: number;
  failed: number;
}

/**
 * Copies every object of one storage to another. May be killed and run again, and run beside a server that uses either
 * side, since objects never change: what is there already, with the same size and hash, is left as it is.
 */
export async function moveObjects(options: MoveOptions): Promise<MoveCounts> {
  const { from, to, does, signal } = options;
  const counts = { seen: 0, copied: 0, copiedBytes: 0, alike: 0, deleted: 0, gone: 0, failed: 0 };
  const objects = from.list('')[Symbol.asyncIterator]();

  async function workOn(object: StoredObject): Promise<void> {
    const { key, sizeBytes } = object;
    if (does === 'verify') await checkSame(options, key);
    if (does === 'verify' || (await isAlike(options, object))) counts.alike += 1;
    else {
      if (does === 'copy') await copy(options, key);
      counts.copied += 1;
      counts.copiedBytes += sizeBytes;
    }
    if (!options.deleteSource || does !== 'copy') return;
    await from.remove(key);
    counts.deleted += 1;
  }

  async function work(): Promise<void> {
    for (let next = await objects.next(); !next.done; next = await objects.next()) {
      const { key } = next.value;
      try {
        await workOn(next.value);
      } catch (error) {
        if (signal.aborted) return;
        if ((await from.size(key).catch(() => 0)) === undefined) counts.gone += 1;
        else {
          counts.failed += 1;
          options.onProblem(key, error);
        }
      }
      counts.seen += 1;
      options.onObject(counts);
      if (signal.aborted) return;
    }
  }

  try {
    await Promise.all(Array.from({ length: options.atOnce }, work));
  } finally {
    await objects.return?.();
    to.close?.();
    from.close?.();
  }
  return counts;
}

/**
 * By size and by the hashes that the sides have noted; by reading where there is none, or where the source is about to be
 * removed.
 */
async function isAlike(
  { from, to, deleteSource, signal }: MoveOptions,
  object: StoredObject,
): Promise<boolean> {
  const { key, sizeBytes } = object;
  if ((await to.size(key)) !== sizeBytes) return false;
  const hash = async (side: Storage) => {
    const noted = deleteSource ? undefined : await side.notedHash?.(key);
    return noted ?? (await hashOf(until(signal, await side.open(key)))).sha256;
  };
  return (await hash(to)) === (await hash(from));
}

/** Through a local file, whose bytes are hashed as they come and compared with what can be read back. */
async function copy({ from, to, tempDir, signal }: MoveOptions, key: string): Promise<void> {
  const path = join(tempDir, `${newId('run')}.move`);
  try {
    const file = await open(path, 'wx');
    const source = await hashOf(writing(file, until(signal, await from.open(key)))).finally(() =>
      file.close(),
    );
    const noted = await from.notedHash?.(key);
    if (noted !== undefined && noted !== source.sha256)
      throw new Error('its bytes are not what was once stored');
    await to.putFile(key, path, { ...source, contentType: contentTypeOf(key), signal });
    await checkCopy(source, hashOf(until(signal, await to.open(key))));
  } finally {
    await rm(path, { force: true });
  }
}

/** Reads both sides to the end. Throws when they differ. */
async function checkSame({ from, to, signal }: MoveOptions, key: string): Promise<void> {
  const source = await hashOf(until(signal, await from.open(key)));
  await checkCopy(
    source,
    to.open(key).then((chunks) => hashOf(until(signal, chunks))),
  );
}

async function checkCopy(source: Hashed, reading: Promise<Hashed>): Promise<void> {
  const target = await reading.catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'content_not_found')
      throw new Error('the copy is missing');
    throw error;
  });
  if (target.sha256 !== source.sha256) throw new Error('the copy differs');
}

async function* writing(file: FileHandle, chunks: Chunks): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    await file.writeFile(chunk);
    yield chunk;
  }
}

async function* until(signal: AbortSignal, chunks: Chunks): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    yield chunk;
  }
}
