import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { AppError, errorText } from '../core/errors.ts';
import { asObject } from '../core/json.ts';

/** Beyond this the list of entries alone would take too much memory. */
const MAX_ENTRIES = 400_000;
/** A row takes some kilobytes. */
const MAX_LINE_BYTES = 1024 ** 2;
/** Rows have four levels. */
const MAX_DEPTH = 20;
const MAX_ABOUT_BYTES = 16 * 1024 ** 2;

/** An archive on disk, whose names are looked up and never used as paths. */
export interface Archive {
  /** A small JSON entry; undefined when there is none. */
  json(name: string): Promise<unknown>;
  /** The lines of an entry, parsed; undefined for a line that is no JSON object. Nothing for an entry that is not there. */
  lines(name: string): AsyncGenerator<Record<string, unknown> | undefined>;
  /** Copies an entry to a file and checks it; what is wrong with it, if something is, and then there is no file. */
  copy(
    name: string,
    target: string,
    expected: { sizeBytes: number; sha256: string },
  ): Promise<FileProblem | undefined>;
  close(): void;
}

export type FileProblem = 'file_missing' | 'file_mismatch';

/**
 * Opens a zip and lists what is in it. All that comes out of it together is bounded by `limitBytes`, whatever it says of
 * its sizes. Throws `invalid_import`.
 */
export async function openArchive(path: string, limitBytes: number): Promise<Archive> {
  const zip = await openPromise(path, { lazyEntries: true, autoClose: false, strictFileNames: true }).catch(
    (error: unknown) => {
      throw invalid(`This is no zip, or only a part of one (${errorText(error)}).`, error);
    },
  );
  try {
    return archiveOf(zip, await listEntries(zip), limitBytes);
  } catch (error) {
    zip.close();
    throw error instanceof AppError ? error : invalid(`The zip cannot be read (${errorText(error)}).`, error);
  }
}

async function listEntries(zip: ZipFile): Promise<Map<string, Entry>> {
  if (zip.entryCount > MAX_ENTRIES) throw invalid(`The zip has more than ${MAX_ENTRIES} entries.`);
  const entries = new Map<string, Entry>();
  for await (const entry of zip.eachEntry()) {
    if (entries.has(entry.fileName)) throw invalid(`The zip has two entries named ${entry.fileName}.`);
    if (entry.isEncrypted()) throw invalid('The zip is encrypted.');
    entries.set(entry.fileName, entry);
  }
  return entries;
}

function archiveOf(zip: ZipFile, entries: ReadonlyMap<string, Entry>, limitBytes: number): Archive {
  let left = limitBytes;

  async function* read(entry: Entry): AsyncGenerator<Buffer> {
    const stream: Readable = await zip.openReadStreamPromise(entry);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      left -= chunk.length;
      if (left < 0) throw new AppError('payload_too_large', { message: TOO_LARGE });
      yield chunk;
    }
  }

  async function* lines(name: string): AsyncGenerator<Record<string, unknown> | undefined> {
    const entry = entries.get(name);
    if (!entry) return;
    let rest = Buffer.alloc(0);
    for await (const chunk of guarded(name, read(entry))) {
      rest = Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        yield parse(rest.subarray(0, end));
        rest = rest.subarray(end + 1);
      }
      if (rest.length > MAX_LINE_BYTES) throw invalid(`${name} has a line of more than 1 MiB.`);
    }
    if (rest.length > 0) yield parse(rest);
  }

  return {
    lines,
    async json(name) {
      const entry = entries.get(name);
      if (!entry) return undefined;
      if (entry.uncompressedSize > MAX_ABOUT_BYTES) throw invalid(`${name} is too large.`);
      const chunks: Buffer[] = [];
      for await (const chunk of guarded(name, read(entry))) chunks.push(chunk);
      return parse(Buffer.concat(chunks));
    },
    async copy(name, target, { sizeBytes, sha256 }) {
      const entry = entries.get(name);
      if (!entry) return 'file_missing';
      // Before a byte of it is unpacked.
      if (entry.uncompressedSize !== sizeBytes) return 'file_mismatch';
      const hash = createHash('sha256');
      const hashing = async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          yield chunk;
        }
      };
      const written = createWriteStream(target, { flags: 'wx' });
      try {
        await pipeline(read(entry), hashing, written);
        if (hash.digest('hex') === sha256) return undefined;
      } catch (error) {
        await rm(target, { force: true });
        // A full disk or an exhausted limit is not the file's fault.
        if (error instanceof AppError || isSystemError(error)) throw error;
        return 'file_mismatch';
      }
      await rm(target, { force: true });
      return 'file_mismatch';
    },
    close: () => zip.close(),
  };
}

const TOO_LARGE = 'What is in the archive takes more than IMPORT_LIMIT bytes.';

/** What yauzl finds wrong in the middle of an entry is the archive's fault. */
async function* guarded(name: string, chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (error) {
    if (error instanceof AppError || isSystemError(error)) throw error;
    throw invalid(`${name} cannot be read (${errorText(error)}).`, error);
  }
}

/** Errors of the operating system have a number; those of zlib have one too, and a code that says whose it is. */
function isSystemError(error: unknown): boolean {
  const { errno, code } = error as { errno?: unknown; code?: unknown };
  return typeof errno === 'number' && !String(code).startsWith('Z_');
}

function parse(line: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line.toString());
    return isDeeper(value, MAX_DEPTH) ? undefined : asObject(value);
  } catch {
    return undefined;
  }
}

/** The parser takes any depth; what walks through the value later calls itself at every step of it. */
function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((inner) => isDeeper(inner, depth - 1));
}

export function invalid(message: string, cause?: unknown): AppError {
  return new AppError('invalid_import', { message, cause });
}
