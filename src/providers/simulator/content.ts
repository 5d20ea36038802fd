import type { FileHandle } from 'node:fs/promises';
import { Readable, Transform } from 'node:stream';
import type { FaultName } from './faults.ts';

/** Which bytes of the whole to send: `start` to `end`, both included. */
export interface Slice {
  start: number;
  end: number;
}

/**
 * Streams a slice of a rendered clip and closes the file at the end, with the content faults applied:
 * a download that breaks off errors in the middle, as a lost connection does; a corrupt one is unreadable.
 */
export function streamClip(
  file: FileHandle,
  bytes: number,
  slice: Slice,
  faults: readonly FaultName[],
): Readable {
  const stopsAt = breaksAt(bytes, slice, faults);
  const source = sourceOf(file, slice.start, stopsAt === undefined ? slice.end : stopsAt - 1);
  const corrupting = faults.includes('corrupt');
  if (!corrupting && stopsAt === undefined) return source;
  const changed = new Transform({
    transform: (chunk: Buffer, _encoding, done) =>
      done(null, corrupting ? chunk.map((byte) => byte ^ 0x5a) : chunk),
    flush: (done) => done(stopsAt === undefined ? null : new Error('the connection broke off (simulated)')),
  });
  source.on('error', (error) => changed.destroy(error));
  changed.on('close', () => source.destroy());
  return source.pipe(changed);
}

function breaksAt(bytes: number, slice: Slice, faults: readonly FaultName[]): number | undefined {
  const middle = Math.floor(bytes / 2);
  const breaks = faults.includes('truncated') || (faults.includes('cut') && slice.start === 0);
  if (!breaks || slice.end < middle) return undefined;
  return Math.max(slice.start, middle);
}

function sourceOf(file: FileHandle, start: number, end: number): Readable {
  if (end >= start) return file.createReadStream({ start, end });
  void file.close();
  return Readable.from([]);
}
