import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../core/errors.ts';
import { newId, sha256 } from '../core/ids.ts';
import type { ReferenceImage } from '../providers/provider.ts';
import { collect, type Storage } from '../storage/storage.ts';
import type { Job } from './job.ts';

/** The first-frame image of a job, out of storage. */
export async function readReference(
  storage: Storage,
  job: Pick<Job, 'reference_key' | 'reference_type'>,
): Promise<ReferenceImage | undefined> {
  if (job.reference_key === null) return undefined;
  const data = await collect(await storage.open(job.reference_key));
  return { data, contentType: job.reference_type as ReferenceImage['contentType'] };
}

const SIGNATURES: readonly {
  contentType: ReferenceImage['contentType'];
  matches: (data: Buffer) => boolean;
}[] = [
  {
    contentType: 'image/jpeg',
    matches: (data) => data.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff])),
  },
  {
    contentType: 'image/png',
    matches: (data) => data.subarray(0, 8).toString('latin1') === '\x89PNG\r\n\x1a\n',
  },
  {
    contentType: 'image/webp',
    matches: (data) =>
      data.subarray(0, 4).toString('latin1') === 'RIFF' && data.subarray(8, 12).toString('latin1') === 'WEBP',
  },
];

/** The type of an image by its content; undefined for anything that is not jpeg, png or webp. */
export function imageType(data: Buffer): ReferenceImage['contentType'] | undefined {
  return SIGNATURES.find((signature) => signature.matches(data))?.contentType;
}

export const REFERENCE_MAX_BYTES = 20 * 1024 ** 2;

/** An image as a client gives it: its bytes, or a data URL. */
export type ReferenceInput = { data: Buffer } | { url: string };

/**
 * Checks an image and stores it under its hash, so that the same one twice takes no more room. Throws
 * `invalid_reference`, `payload_too_large`.
 */
export async function storeReference(
  parts: { storage: Storage; tempDir: string },
  input: ReferenceInput,
): Promise<{ key: string; contentType: string }> {
  const data = 'data' in input ? input.data : fromDataUrl(input.url);
  if (data.length > REFERENCE_MAX_BYTES) {
    throw new AppError('payload_too_large', { message: 'A reference image may have up to 20 MiB.' });
  }
  const contentType = imageType(data);
  if (!contentType) throw invalid('The reference image must be a JPEG, PNG or WebP file.');
  const hash = sha256(data);
  const key = `references/${hash}.${contentType.slice('image/'.length)}`;
  if ((await parts.storage.size(key)) === undefined) {
    await mkdir(parts.tempDir, { recursive: true });
    const file = join(parts.tempDir, `${newId('req')}.reference`);
    await writeFile(file, data);
    await parts.storage.putFile(key, file, { contentType, sizeBytes: data.length, sha256: hash });
  }
  return { key, contentType };
}

function fromDataUrl(url: string): Buffer {
  const match = /^data:image\/(?:jpeg|jpg|png|webp);base64,([A-Za-z0-9+/=\s]+)$/.exec(url);
  if (match?.[1]) return Buffer.from(match[1], 'base64');
  throw invalid(
    'Give the reference image as an uploaded file or as a data URL (data:image/png;base64,…) of a JPEG, PNG or WebP.',
  );
}

function invalid(message: string): AppError {
  return new AppError('invalid_reference', { message, param: 'input_reference' });
}
