import { createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Clock } from '../core/clock.ts';
import { type Operation, type OutputStream, type Provider, ProviderError } from '../providers/provider.ts';
import { hashFile } from '../storage/hash.ts';
import { beginPart, continues, readNote, strongTag } from './part-note.ts';

/** Largest file taken from an upstream, in bytes. */
const MAX_BYTES = 8 * 1024 ** 3;
/** Longest silence before the first bytes: a gateway may read the whole file before it passes any on. */
const FIRST_BYTES_MS = 600_000;
/** Longest silence after them. */
const SILENCE_MS = 60_000;

export interface Downloaded {
  sizeBytes: number;
  sha256: string;
}

/**
 * Brings a video to `files.part`. It goes on where a former try broke off only when the upstream says with a strong tag
 * that it is the same file; anything else begins again, so that no two files are ever joined. Checks the length; throws a
 * `ProviderError` (`ambiguous`, code `download_incomplete`) when the stream ended early: what came is kept for the next
 * try. The content is for the caller to judge.
 */
export async function download(
  provider: Provider,
  operation: Operation,
  files: { part: string; note: string },
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<Downloaded> {
  await mkdir(dirname(files.part), { recursive: true });
  const note = await readNote(files.note);
  const ifRange = strongTag(note);
  const have = ifRange === undefined ? 0 : await sizeOf(files.part);
  let output = await provider.open(operation, 'video', have, { signal, ifRange });
  if (output.offset > 0 && !continues(note, have, output)) {
    output.body.destroy();
    output = await provider.open(operation, 'video', 0, { signal });
  }
  const { etag, lastModified, totalBytes } = output;
  if (output.offset > 0 && !continues(note, have, output)) {
    output.body.destroy();
    const message = 'the provider sent another part than the one asked for';
    throw new ProviderError('ambiguous', 'download_failed', message);
  }
  const noted = output.offset === 0 ? beginPart(files, { etag, lastModified, totalBytes }) : undefined;
  await append(output, files.part, { clock, signal }).finally(() => noted);
  const sizeBytes = await sizeOf(files.part);
  const expected = totalBytes ?? (output.offset > 0 ? note?.totalBytes : undefined);
  if (expected !== undefined && sizeBytes !== expected) {
    if (sizeBytes > expected) await rm(files.part, { force: true });
    const message = `got ${sizeBytes} of ${expected} bytes`;
    throw new ProviderError('ambiguous', 'download_incomplete', message);
  }
  return { sizeBytes, sha256: await hashFile(files.part) };
}

/** Writes what arrives, and when the stream breaks, all that had arrived: the next try goes on from there. */
async function append(
  output: OutputStream,
  path: string,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  const body = addAbortSignal(signal, output.body);
  const file = createWriteStream(path, { flags: output.offset > 0 ? 'a' : 'w' });
  const written = finished(file);
  // Awaited below; until then its failure is nobody's unhandled rejection.
  written.catch((error: Error) => body.destroy(error));
  const silence = endSilence(body, clock);
  let received = output.offset;
  body.on('data', (chunk: Buffer) => {
    silence.heard();
    received += chunk.length;
    if (received > MAX_BYTES) {
      body.destroy(new ProviderError('rejected', 'file_too_large', 'the file is too large'));
    }
  });
  body.pipe(file, { end: false });
  try {
    await finished(body);
  } finally {
    silence.stop();
    file.end();
    await written;
  }
}

/** Breaks a stream off that brings nothing for too long. */
function endSilence(body: Readable, clock: Clock): { heard(): void; stop(): void } {
  let since = clock.now();
  let limitMs = FIRST_BYTES_MS;
  let cancel = () => {};
  function wait(): void {
    const leftMs = since + limitMs - clock.now();
    if (leftMs > 0) cancel = clock.after(leftMs, wait);
    else body.destroy(new ProviderError('ambiguous', 'download_stalled', 'the provider stopped sending'));
  }
  wait();
  return {
    heard() {
      since = clock.now();
      if (limitMs === SILENCE_MS) return;
      limitMs = SILENCE_MS;
      cancel();
      wait();
    },
    stop: () => cancel(),
  };
}

export async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
