import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { AssetsTable } from '../database/schema.ts';
import { type CleanImage, imageType, type ImageType, type Scale } from '../media/image.ts';
import { MediaError } from '../media/media-error.ts';
import type { Media } from '../media/media.ts';
import { hashFile } from '../storage/hash.ts';
import type { Storage } from '../storage/storage.ts';
import { invalid } from './image-input.ts';

type Columns = 'storage_key' | 'content_type' | 'width' | 'height' | 'size_bytes' | 'sha256';

/** What an asset's row says of its file, and the size the image came in. */
export type StoredImage = Pick<AssetsTable, Columns> & Pick<CleanImage, 'original'>;

/** Brings an image to the file it is given, or says where it is already. */
export type Bring = (file: string) => Promise<string>;

/**
 * Cleans an image and puts it into storage under the hash of what came out, so that the same one twice takes no more
 * room. Throws what `bring` throws, `invalid_reference`, and `unavailable` when this machine is too busy.
 */
export function createImageStore(parts: { media: Media; storage: Storage; tempDir: string }) {
  const { media, storage, tempDir } = parts;

  return async (bring: Bring, scale?: Scale): Promise<StoredImage> => {
    await mkdir(tempDir, { recursive: true });
    const name = join(tempDir, newId('run'));
    const files = { input: `${name}.image`, output: `${name}.clean` };
    try {
      const input = await bring(files.input);
      if (!(await typeOf(input))) throw notAnImage();
      const image = await media.cleanImage(input, files.output, scale ? { scale } : {}).catch(refuse);
      // The child has read a stranger's file: what it wrote is judged by its bytes.
      const contentType = await typeOf(files.output);
      if (!contentType) throw notAnImage();
      const { size } = await stat(files.output);
      const sha256 = await hashFile(files.output);
      const key = `references/${sha256}.${contentType.slice('image/'.length)}`;
      // Put again even if it is there: it counts as new then, and no sweep of old files takes it away.
      await storage.putFile(key, files.output, { contentType, sizeBytes: size, sha256 });
      const { width, height, original } = image;
      return {
        storage_key: key,
        content_type: contentType,
        width,
        height,
        size_bytes: size,
        sha256,
        original,
      };
    } finally {
      for (const file of Object.values(files)) await rm(file, { force: true });
    }
  };
}

async function typeOf(path: string): Promise<ImageType | undefined> {
  const file = await open(path, 'r');
  try {
    const start = Buffer.alloc(12);
    await file.read(start, 0, start.length, 0);
    return imageType(start);
  } finally {
    await file.close();
  }
}

function notAnImage(): AppError {
  return invalid('The reference image must be a JPEG, PNG or WebP file.');
}

/** What a failure of the media room means to who sent the image. */
function refuse(error: unknown): never {
  if (!(error instanceof MediaError)) throw error;
  switch (error.code) {
    case 'media_invalid':
      throw invalid(error.message, error);
    case 'media_crashed':
      throw invalid('The image cannot be decoded.', error);
    case 'media_timeout':
    case 'media_aborted':
      throw new AppError('unavailable', { cause: error, retryAfterSeconds: 10 });
    default:
      throw error;
  }
}
