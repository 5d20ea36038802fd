import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { DeleteObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { checkSize } from './check-file.ts';
import { hashOf } from './hash.ts';
import type { PutOptions } from './storage.ts';

/** The smallest that S3 allows; with its limit of 10,000 parts enough for 48 GiB. */
const PART_BYTES = 5 * 1024 ** 2;
/** Parts under way at once, each in memory. */
const PARTS_AT_ONCE = 3;

/**
 * Uploads a file in flat memory and removes it. The object appears only after every byte that was read has been hashed
 * and found to be what was announced; its hash stays with it as metadata `sha256`. Throws without leaving parts behind.
 */
export async function uploadFile(
  client: S3Client,
  place: { Bucket: string; Key: string },
  file: string,
  options: PutOptions,
): Promise<void> {
  const size = await checkSize(file, options.sizeBytes);
  const sha256 = options.sha256 ?? (await hashOf(createReadStream(file))).sha256;
  const upload = new Upload({
    client,
    params: {
      ...place,
      Body: Readable.from(checked(file, sha256, options.signal), { objectMode: false }),
      ContentLength: size,
      ContentType: options.contentType,
      Metadata: { sha256 },
    },
    partSize: PART_BYTES,
    queueSize: PARTS_AT_ONCE,
  });
  await upload.done();
  await checkStored(client, place, { size, sha256 });
  await rm(file);
}

/**
 * The bytes of a file. Throws at their end when they are not the ones announced, and in the middle when the signal
 * aborts. Not through the abort of `Upload`: that one returns before it has removed the parts.
 */
async function* checked(
  file: string,
  sha256: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { signal }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest('hex') !== sha256) throw new Error('a file to be stored is not the one that was announced');
}

/** Asks the store what it has now; an object that came out wrong is taken away again. */
async function checkStored(
  client: S3Client,
  place: { Bucket: string; Key: string },
  expected: { size: number; sha256: string },
): Promise<void> {
  const head = await client.send(new HeadObjectCommand(place));
  if (head.ContentLength === expected.size && head.Metadata?.['sha256'] === expected.sha256) return;
  await client.send(new DeleteObjectCommand(place));
  throw new Error(`the store has ${head.ContentLength} bytes of an object of ${expected.size}`);
}
