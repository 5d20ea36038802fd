import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import type { Outbound } from '../core/outbound.ts';
import { MAX_IMAGE_BYTES } from '../media/image.ts';
import type { Chunks } from '../storage/storage.ts';
import { fetchImage } from './fetch-image.ts';
import { decodeDataUrl, type ImageInput } from './image-input.ts';

/**
 * Brings an image to a local file, unchecked but for its size, and returns where it is: `file`, or the place it had
 * already. Throws `invalid_reference`, `payload_too_large`.
 */
export async function bringImage(
  parts: { outbound: Outbound; clock: Clock },
  input: Exclude<ImageInput, { assetId: string }>,
  file: string,
): Promise<string> {
  if ('file' in input) return input.file;
  if ('url' in input && !/^data:/i.test(input.url)) await fetchImage(parts, input.url, file);
  else await writeFile(file, checkSize('data' in input ? input.data : decodeDataUrl(input.url)));
  return file;
}

/** Writes a copy of a stored object; returns where it is. */
export async function writeChunks(chunks: Chunks, file: string): Promise<string> {
  // Copied one by one: the memory of a chunk is used again for the next but one, whether it has been written or not.
  const copies = async function* () {
    for await (const chunk of chunks) yield Buffer.from(chunk);
  };
  await pipeline(copies, createWriteStream(file));
  return file;
}

function checkSize(data: Buffer): Buffer {
  if (data.length <= MAX_IMAGE_BYTES) return data;
  const limit = MAX_IMAGE_BYTES / 1024 ** 2;
  throw new AppError('payload_too_large', { message: `A reference image may have up to ${limit} MiB.` });
}
