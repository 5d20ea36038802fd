import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

export interface FilePart {
  /** Counted from 1. */
  number: number;
  /** In the buffer that was given. */
  bytes: Buffer;
}

/** Fills a buffer with the part that is next; undefined after the last one. May be called while another call reads. */
export type NextPart = (buffer: Buffer) => Promise<FilePart | undefined>;

/** So much is read and hashed in one go. */
const SLICE_BYTES = 256 * 1024;

/**
 * Reads a file part by part and hashes it on the way. Throws instead of giving the last part when the bytes are not the
 * ones announced.
 */
export function readParts(file: FileHandle, size: number, sha256: string): NextPart {
  const hash = createHash('sha256');
  let [position, number] = [0, 0];
  let turn: Promise<unknown> = Promise.resolve();

  async function read(buffer: Buffer): Promise<FilePart | undefined> {
    const length = Math.min(buffer.length, size - position);
    if (length === 0) return undefined;
    for (let filled = 0; filled < length;) {
      const slice = Math.min(SLICE_BYTES, length - filled);
      const { bytesRead } = await file.read(buffer, filled, slice, position);
      if (bytesRead === 0) throw new Error('a file to be stored became shorter');
      hash.update(buffer.subarray(filled, filled + bytesRead));
      filled += bytesRead;
      position += bytesRead;
    }
    if (position === size && hash.digest('hex') !== sha256) {
      throw new Error('a file to be stored is not the one that was announced');
    }
    number += 1;
    return { number, bytes: buffer.subarray(0, length) };
  }

  return (buffer) => {
    const mine = turn.then(() => read(buffer));
    turn = mine.catch(() => {});
    return mine;
  };
}
