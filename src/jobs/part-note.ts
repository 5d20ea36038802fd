import { rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { asObject } from '../core/json.ts';
import type { OutputStream } from '../providers/provider.ts';

/** Of which file a partial download is the beginning, in the upstream's own terms. */
export interface PartNote {
  etag: string | undefined;
  lastModified: string | undefined;
  totalBytes: number | undefined;
}

/** What is written there; undefined when there is nothing or it cannot be read. */
export async function readNote(path: string): Promise<PartNote | undefined> {
  try {
    const note = asObject(JSON.parse(await readFile(path, 'utf8')));
    if (!note) return undefined;
    return {
      etag: typeof note.etag === 'string' ? note.etag : undefined,
      lastModified: typeof note.lastModified === 'string' ? note.lastModified : undefined,
      totalBytes: typeof note.totalBytes === 'number' ? note.totalBytes : undefined,
    };
  } catch {
    return undefined;
  }
}

/**
 * Begins a part: what is there goes first, note and bytes, so that no note ever stands beside the bytes of another file.
 * At once, without giving up the thread: a stream that waits to be read may break off, and what it had is lost.
 * Resolves when the note is written; without one, which is all that its failure means, the next try begins again.
 */
export async function beginPart(
  files: { part: string; note: string },
  { etag, lastModified, totalBytes }: PartNote,
): Promise<void> {
  rmSync(files.note, { force: true });
  rmSync(files.part, { force: true });
  await writeFile(files.note, JSON.stringify({ etag, lastModified, totalBytes })).catch(() => {});
}

export function isSameNote(one: PartNote, other: PartNote | undefined): boolean {
  return (
    one.etag === other?.etag &&
    one.lastModified === other?.lastModified &&
    one.totalBytes === other?.totalBytes
  );
}

/**
 * The tag by which an upstream can be asked for the rest of exactly this file; undefined when it gave none. A weak tag
 * (`W/`), a time or a length may stay the same although the bytes are others.
 */
export function strongTag(note: PartNote | undefined): string | undefined {
  return note?.etag !== undefined && /^"[^"]+"$/.test(note.etag) ? note.etag : undefined;
}

/** Whether what comes is the rest, from `have` bytes on, of the file that the note tells of. */
export function continues(note: PartNote | undefined, have: number, output: OutputStream): boolean {
  const tag = strongTag(note);
  if (!note || tag === undefined || output.offset !== have || output.etag !== tag) return false;
  return (
    isUnlessUnknown(note.totalBytes, output.totalBytes) &&
    isUnlessUnknown(note.lastModified, output.lastModified)
  );
}

function isUnlessUnknown<T>(one: T | undefined, other: T | undefined): boolean {
  return one === undefined || other === undefined || one === other;
}
