import type { FileHandle } from 'node:fs/promises';
import type { ByteRange } from './storage.ts';

const CHUNK_BYTES = 64 * 1024;

/**
 * Reads on while the chunk before is being sent: two buffers take turns, and no third is ever needed. Closes the file.
 */
export async function* readFileChunks(
  file: FileHandle,
  { start, end }: ByteRange = { start: 0, end: Infinity },
): AsyncGenerator<Buffer> {
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
