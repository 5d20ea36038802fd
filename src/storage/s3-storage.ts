import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { AppError } from '../core/errors.ts';
import { checkKey, checkPrefix, isKey } from './key.ts';
import { createS3Client, type S3Options, statusOf } from './s3-client.ts';
import { uploadFile } from './s3-upload.ts';
import { type ByteRange, contentDisposition, type Storage, type StoredObject } from './storage.ts';

/** Probes come every few seconds: those to a store that hangs must not pile up. */
const CHECK_TIMEOUT_MS = 10_000;

/** When a client may ask again for what the store did not give. */
const RETRY_SECONDS = 10;

/** Objects of a bucket, under a prefix. Does not ask whether the bucket is there: `check` does. */
export function createS3Storage(options: S3Options): Storage {
  const client = createS3Client(options);
  const { bucket: Bucket } = options;
  const base = options.prefix === '' ? '' : `${options.prefix}/`;
  const place = (key: string) => ({ Bucket, Key: base + checkKey(key) });

  async function head(key: string) {
    try {
      return await client.send(new HeadObjectCommand(place(key)));
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /** Undefined for a range behind the end. */
  async function get(key: string, { start, end }: ByteRange): Promise<Readable | undefined> {
    const whole = start === 0 && end === Infinity;
    const Range = `bytes=${start}-${end === Infinity ? '' : end}`;
    try {
      const { Body } = await client.send(
        new GetObjectCommand({ ...place(key), ...(whole ? {} : { Range }) }),
      );
      return Body as Readable | undefined;
    } catch (error) {
      if (statusOf(error) === 416) return undefined;
      // A missing bucket is a 404 as well, and none of the reader's business.
      if ((error as Error).name === 'NoSuchKey') throw new AppError('content_not_found', { cause: error });
      throw new AppError('unavailable', {
        message: 'The storage of the files cannot be read right now. Try again shortly.',
        cause: error,
        retryAfterSeconds: RETRY_SECONDS,
      });
    }
  }

  async function* list(prefix: string): AsyncGenerator<StoredObject> {
    const Prefix = base + checkPrefix(prefix);
    let ContinuationToken: string | undefined;
    do {
      const more = ContinuationToken === undefined ? {} : { ContinuationToken };
      const page = await client.send(new ListObjectsV2Command({ Bucket, Prefix, ...more }));
      for (const { Key = '', Size = 0, LastModified = new Date(0) } of page.Contents ?? []) {
        const key = Key.slice(base.length);
        if (isKey(key)) yield { key, sizeBytes: Size, modifiedAt: LastModified };
      }
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
  }

  return {
    putFile: (key, file, put) => uploadFile(client, place(key), file, put),
    size: async (key) => (await head(key))?.ContentLength,
    async open(key, { start, end } = { start: 0, end: Infinity }) {
      const from = (position: number) => get(key, { start: position, end });
      return readChunks(await from(start), { start, end }, from);
    },
    async remove(key) {
      await client.send(new DeleteObjectCommand(place(key)));
    },
    list,
    async check() {
      const abortSignal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
      await client.send(new HeadBucketCommand({ Bucket }), { abortSignal });
    },
    // Signed with wall time, not with the app's clock: the store holds the link against its own.
    link: (key, { expiresSeconds, contentType, ...file }) =>
      getSignedUrl(
        client,
        new GetObjectCommand({
          ...place(key),
          ResponseContentType: contentType,
          ResponseContentDisposition: contentDisposition(file),
        }),
        { expiresIn: expiresSeconds },
      ),
    notedHash: async (key) => (await head(key))?.Metadata?.['sha256'],
    async removeUnfinished(before) {
      let removed = 0;
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: base }));
      for (const { Key = '', UploadId, Initiated } of Uploads) {
        if (!Key.startsWith(base) || !Initiated || Initiated >= before) continue;
        await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
        removed += 1;
      }
      return removed;
    },
    close: () => client.destroy(),
  };
}

/**
 * Reads to the end. When the connection breaks off, or the store ends it since the reader paused for long, a new one
 * goes on from there: objects never change. Gives up when a new one brings nothing either.
 */
async function* readChunks(
  first: Readable | undefined,
  { start, end }: ByteRange,
  reopen: (position: number) => Promise<Readable | undefined>,
): AsyncGenerator<Buffer> {
  let position = start;
  for (let body = first; body; body = await reopen(position)) {
    const before = position;
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        position += chunk.length;
        yield chunk;
      }
      return;
    } catch (error) {
      if (position === before || position > end) throw error;
    }
  }
}
