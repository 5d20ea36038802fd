import { type FileHandle, open, rm } from 'node:fs/promises';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { checkSize } from './check-file.ts';
import { hashFile } from './hash.ts';
import { type NextPart, readParts } from './file-parts.ts';
import type { PutOptions } from './storage.ts';

/** The smallest that S3 allows; with its limit of 10,000 parts enough for 48 GiB. */
const PART_BYTES = 5 * 1024 ** 2;
/** Parts under way at once, each in memory. */
const PARTS_AT_ONCE = 3;

interface Place {
  Bucket: string;
  Key: string;
}

/**
 * Uploads a file in flat memory and removes it. The object appears only after every byte that was read has been hashed
 * and found to be what was announced; its hash stays with it as metadata `sha256`. Throws without leaving parts behind.
 */
export async function uploadFile(
  client: S3Client,
  place: Place,
  path: string,
  options: PutOptions,
): Promise<void> {
  const size = await checkSize(path, options.sizeBytes);
  const sha256 = options.sha256 ?? (await hashFile(path));
  const about = { ...place, ContentType: options.contentType, Metadata: { sha256 } };
  const file = await open(path);
  try {
    await send(client, about, file, size, options.signal);
  } finally {
    await file.close();
  }
  await checkStored(client, place, { size, sha256 });
  await rm(path);
}

type About = Place & { ContentType: string; Metadata: { sha256: string } };

async function send(
  client: S3Client,
  about: About,
  file: FileHandle,
  size: number,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const next = readParts(file, size, about.Metadata.sha256);
  if (size > PART_BYTES) return sendParts(client, about, next, signal);
  const Body = (await next(Buffer.allocUnsafeSlow(size)))?.bytes ?? Buffer.alloc(0);
  await client.send(new PutObjectCommand({ ...about, Body }), { abortSignal: signal });
}

/**
 * Not through the SDK's own `Upload`: it makes garbage of twice the file, and when it is aborted it returns before the
 * parts are gone.
 */
async function sendParts(client: S3Client, about: About, next: NextPart, signal: AbortSignal): Promise<void> {
  const { Bucket, Key } = about;
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(about), { abortSignal: signal });
  const upload = { Bucket, Key, UploadId };
  const parts: CompletedPart[] = [];
  const failed = new AbortController();
  const abortSignal = AbortSignal.any([signal, failed.signal]);

  async function work(): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(PART_BYTES);
    for (let part = await next(buffer); part; part = await next(buffer)) {
      abortSignal.throwIfAborted();
      const call = new UploadPartCommand({ ...upload, PartNumber: part.number, Body: part.bytes });
      const { ETag } = await client.send(call, { abortSignal });
      parts[part.number - 1] = { PartNumber: part.number, ETag };
    }
  }

  try {
    const working = Array.from({ length: PARTS_AT_ONCE }, () =>
      work().catch((error: unknown) => failed.abort(error)),
    );
    // All of them, also after a failure: a part that arrives behind the abort would stay.
    await Promise.all(working);
    failed.signal.throwIfAborted();
    const call = new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } });
    await client.send(call, { abortSignal });
  } catch (error) {
    // Where this fails too, a later start removes them (`removeUnfinished`).
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => {});
    throw error;
  }
}

/** Asks the store what it has now; an object that came out wrong is taken away again. */
async function checkStored(
  client: S3Client,
  place: Place,
  expected: { size: number; sha256: string },
): Promise<void> {
  const head = await client.send(new HeadObjectCommand(place));
  if (head.ContentLength === expected.size && head.Metadata?.['sha256'] === expected.sha256) return;
  await client.send(new DeleteObjectCommand(place));
  throw new Error(`the store has ${head.ContentLength} bytes of an object of ${expected.size}`);
}
