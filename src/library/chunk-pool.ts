/**
 * Memory that is used again. Without it a zip leaves a trail of 64 KB pieces for the garbage collector, which lets dozens
 * of megabytes of them pile up before it comes round.
 */
export interface ChunkPool {
  /** A copy of a chunk, in memory of the pool's. */
  copy(chunk: Buffer): Buffer;
  /** Gives a copy's memory back. What is not exactly such a copy, like a part of one, is left alone. */
  release(chunk: Buffer): void;
}

const PIECE_BYTES = 64 * 1024;

export function createChunkPool(): ChunkPool {
  const free: ArrayBuffer[] = [];
  /** Pieces under way, with the length of what is in them. */
  const lent = new WeakMap<ArrayBufferLike, number>();
  return {
    copy(chunk) {
      if (chunk.length > PIECE_BYTES) return Buffer.from(chunk);
      const piece = free.pop() ?? new ArrayBuffer(PIECE_BYTES);
      const copied = Buffer.from(piece, 0, chunk.length);
      chunk.copy(copied);
      lent.set(piece, chunk.length);
      return copied;
    },
    release(chunk) {
      if (chunk.byteOffset !== 0 || lent.get(chunk.buffer) !== chunk.length) return;
      lent.delete(chunk.buffer);
      free.push(chunk.buffer as ArrayBuffer);
    },
  };
}
