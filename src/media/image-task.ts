import { writeFile } from 'node:fs/promises';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { isAnimatedPng } from './animated-png.ts';
import {
  type CleanImage,
  IMAGE_TYPES,
  type ImageType,
  MAX_IMAGE_BYTES,
  MAX_PIXELS,
  MAX_SIDE,
} from './image.ts';
import type { Scale } from './image.ts';
import { MediaError } from './media-error.ts';

// Nothing but these three decoders is reachable: no SVG, no PDF, no ImageMagick, whatever a file looks like.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['VipsForeignLoadJpegFile', 'VipsForeignLoadPngFile', 'VipsForeignLoadWebpFile'],
});

const ENCODERS: Readonly<Record<ImageType, (image: Sharp) => Sharp>> = {
  'image/jpeg': (image) => image.jpeg({ quality: 92, chromaSubsampling: '4:4:4' }),
  'image/png': (image) => image.png(),
  // At its usual effort, a picture near the limit takes a busy machine more than a minute.
  'image/webp': (image) => image.webp({ quality: 92, effort: 2 }),
};

export interface ImageTask {
  file: string;
  output: string;
  scale?: Scale | undefined;
}

/**
 * Runs in a child: decodes the pixels and writes them anew, upright, in sRGB, with nothing else of the file. The same
 * file gives the same bytes. Throws `media_invalid`.
 */
export async function run({ file, output, scale }: ImageTask): Promise<CleanImage> {
  const { contentType, original } = await readHeader(file);
  let image = sharp(file, { failOn: 'error', limitInputPixels: MAX_PIXELS }).autoOrient();
  if (scale && (scale.width !== original.width || scale.height !== original.height)) {
    image = image.resize({ ...scale, background: '#000' });
  }
  const { data, info } = await ENCODERS[contentType](image)
    .toBuffer({ resolveWithObject: true })
    .catch(broken);
  if (data.length > MAX_IMAGE_BYTES) {
    const mib = Math.ceil(data.length / 1024 ** 2);
    const limit = MAX_IMAGE_BYTES / 1024 ** 2;
    throw new MediaError(
      'media_invalid',
      `Written anew, the image has ${mib} MiB, and at most ${limit} MiB are possible: make it smaller.`,
    );
  }
  await writeFile(output, data);
  return { contentType, width: info.width, height: info.height, original };
}

/** What the header says, judged before a single pixel is decoded. */
async function readHeader(file: string): Promise<Pick<CleanImage, 'contentType' | 'original'>> {
  // The limit is checked here, by hand, to say what is wrong.
  const head = await sharp(file, { limitInputPixels: false }).metadata().catch(broken);
  const contentType = IMAGE_TYPES.find((type) => type === `image/${head.format}`);
  if (!contentType) throw new MediaError('media_invalid', 'The image must be a JPEG, PNG or WebP file.');
  const { width, height } = head;
  if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS) {
    throw new MediaError(
      'media_invalid',
      `The image has ${width} x ${height} pixels; at most ${MAX_PIXELS / 1e6} million, and ${MAX_SIDE} on a side, are possible.`,
    );
  }
  if (await isAnimated(file, head)) {
    throw new MediaError('media_invalid', 'The image is animated: a single picture is needed.');
  }
  return { contentType, original: head.autoOrient };
}

async function isAnimated(file: string, head: Metadata): Promise<boolean> {
  return (head.pages ?? 1) > 1 || (head.format === 'png' && (await isAnimatedPng(file)));
}

function broken(error: unknown): never {
  throw new MediaError('media_invalid', 'The image is broken or cut off.', { cause: error });
}
