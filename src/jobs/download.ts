import { createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type Operation, type OutputStream, type Provider, ProviderError } from '../providers/provider.ts';
import { hashFile } from '../storage/hash.ts';

/** Largest file taken from an upstream, in bytes. */
const MAX_BYTES = 8 * 1024 ** 3;

export interface Downloaded {
  sizeBytes: number;
  sha256: string;
}

/**
 * Brings a video to `file`, going on where a former try broke off if the upstream can. Checks the length; throws a
 * `ProviderError` (`ambiguous`, code `download_incomplete`) when the stream ended early: what came is kept for the
 * next try. The content is for the caller to judge.
 */
export async function download(
  provider: Provider,
  operation: Operation,
  file: string,
  signal: AbortSignal,
): Promise<Downloaded> {
  await mkdir(dirname(file), { recursive: true });
  const have = await sizeOf(file);
  const output = await provider.open(operation, 'video', have, { signal });
  const resumed = output.offset > 0 && output.offset === have;
  if (output.offset > 0 && !resumed) {
    output.body.destroy();
    throw new ProviderError(
      'ambiguous',
      'download_failed',
      'the provider resumed at another place than asked for',
    );
  }
  await append(output, file, resumed ? 'a' : 'w', signal);
  const sizeBytes = await sizeOf(file);
  if (output.totalBytes !== undefined && sizeBytes !== output.totalBytes) {
    if (sizeBytes > output.totalBytes) await rm(file, { force: true });
    const message = `got ${sizeBytes} of ${output.totalBytes} bytes`;
    throw new ProviderError('ambiguous', 'download_incomplete', message);
  }
  return { sizeBytes, sha256: await hashFile(file) };
}

/** Writes what arrives, and when the stream breaks, all that had arrived: the next try goes on from there. */
async function append(
  output: OutputStream,
  path: string,
  flags: 'a' | 'w',
  signal: AbortSignal,
): Promise<void> {
  const body = addAbortSignal(signal, output.body);
  const file = createWriteStream(path, { flags });
  const written = finished(file);
  // Awaited below; until then its failure is nobody's unhandled rejection.
  written.catch((error: Error) => body.destroy(error));
  let received = output.offset;
  body.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received > MAX_BYTES) {
      body.destroy(new ProviderError('rejected', 'file_too_large', 'the file is too large'));
    }
  });
  body.pipe(file, { end: false });
  try {
    await finished(body);
  } finally {
    file.end();
    await written;
  }
}

export async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
