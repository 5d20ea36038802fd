import type { Readable } from 'node:stream';

/** A part of a stored object: bytes `start` to `end`, both included, counted from 0. */
export interface ByteRange {
  start: number;
  end: number;
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
  /** Streams an object or a part of it. Throws `content_not_found` when it is not there. */
  open(key: string, range?: ByteRange): Promise<Readable>;
  /** Removes an object; nothing happens when it is not there. */
  remove(key: string): Promise<void>;
  /** Throws when the store cannot take or give bytes right now. */
  check(): Promise<void>;
}
