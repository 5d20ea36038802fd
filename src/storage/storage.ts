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

export interface PutOptions {
  contentType: string;
  /** What the file is known to be, if it is: another file is refused. */
  sizeBytes?: number;
  /** In hex. A store that has to send the bytes reads the file once more to find it out when it is left out. */
  sha256?: string;
  /** Gives up a transfer that is under way. */
  signal?: AbortSignal;
}

/** An object as a list names it. */
export interface StoredObject {
  key: string;
  sizeBytes: number;
  modifiedAt: Date;
}

/** How a link presents the object to who follows it. */
export interface LinkOptions {
  filename: string;
  contentType: string;
  attachment: boolean;
  expiresSeconds: number;
}

/**
 * Bytes under keys. A key is `segment/segment/…` of letters, digits, `-`, `_` and `.`; no segment is `.` or `..`.
 * An object appears whole or not at all, and is never changed afterwards.
 */
export interface Storage {
  /**
   * Takes over a finished local file under `key`; the source file is gone afterwards, and still there when it throws.
   * Replaces an older object.
   */
  putFile(key: string, file: string, options: PutOptions): Promise<void>;
  /** Size in bytes, or undefined when there is no such object. */
  size(key: string): Promise<number | undefined>;
  /** Opens an object or a part of it. Throws `content_not_found` when it is not there. */
  open(key: string, range?: ByteRange): Promise<Chunks>;
  /** Removes an object; nothing happens when it is not there. */
  remove(key: string): Promise<void>;
  /** Every object whose key begins with `prefix` ('' for all), in any order, in flat memory. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** Throws when the store cannot take or give bytes right now. Cheap. */
  check(): Promise<void>;
  /** An address that anybody may read the object at for a while, where the store can give one. Does not ask the store. */
  link?(key: string, options: LinkOptions): Promise<string>;
  /** The SHA-256 that the store noted when the object was put, where it does; the object is not read. */
  notedHash?(key: string): Promise<string | undefined>;
  /** Removes what uploads begun before a time left behind when their process was killed. Resolves with how many. */
  removeUnfinished?(before: Date): Promise<number>;
  /** Ends connections. */
  close?(): void;
}

/** The header that makes a browser show a file or save it, under which name. */
export function contentDisposition(file: { filename: string; attachment: boolean }): string {
  return `${file.attachment ? 'attachment' : 'inline'}; filename="${file.filename}"`;
}
