/** A part of a stored object: bytes `start` to `end`, both included, counted from 0. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * Bytes, one chunk after the other. A chunk is only good until the next one is asked for: its memory is used again, so
 * that a long file takes no more of it than a short one. Leaving the loop early closes what was open.
 */
export type Chunks = AsyncIterable<Buffer>;

/** All bytes at once, for small objects. */
export async function collect(chunks: Chunks): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const chunk of chunks) copies.push(Buffer.from(chunk));
  return Buffer.concat(copies);
}

/**
 * Bytes under keys. A key is `segment/segment/…` of letters, digits, `-`, `_` and `.`; no segment is `.` or `..`.
 * An object appears whole or not at all, and is never changed afterwards.
 */
export interface Storage {
  /** Takes over a finished local file under `key`; the source file is gone afterwards. Replaces an older object. */
  putFile(key: string, file: string, options: { contentType: string }): Promise<void>;
  /** Size in bytes, or undefined when there is no such object. */
  size(key: string): Promise<number | undefined>;
  /** Opens an object or a part of it. Throws `content_not_found` when it is not there. */
  open(key: string, range?: ByteRange): Promise<Chunks>;
  /** Removes an object; nothing happens when it is not there. */
  remove(key: string): Promise<void>;
  /** Throws when the store cannot take or give bytes right now. */
  check(): Promise<void>;
}
