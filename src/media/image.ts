export const IMAGE_TYPES = ['image/jpeg', 'image/png', 'image/webp'] as const;
export type ImageType = (typeof IMAGE_TYPES)[number];

/** Most pixels of an image, read off its header before anything is decoded. */
export const MAX_PIXELS = 50_000_000;
/** Longest side in pixels: what WebP can hold. */
export const MAX_SIDE = 16_383;
/** Largest image file, as it comes and as it is kept. */
export const MAX_IMAGE_BYTES = 20 * 1024 ** 2;

/** `cover` fills the size and crops what sticks out; `contain` shows everything and pads with black. */
export type Fit = 'cover' | 'contain';

/** Exactly this size, in pixels. */
export interface Scale {
  width: number;
  height: number;
  fit: Fit;
}

/** What was written. */
export interface CleanImage {
  contentType: ImageType;
  width: number;
  height: number;
  /** As it came, orientation applied. */
  original: { width: number; height: number };
}

const SIGNATURES: Readonly<Record<ImageType, (data: Buffer) => boolean>> = {
  'image/jpeg': (data) => data.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff])),
  'image/png': (data) => data.toString('latin1', 0, 8) === '\x89PNG\r\n\x1a\n',
  'image/webp': (data) => /^RIFF.{4}WEBP/s.test(data.toString('latin1', 0, 12)),
};

/** The type of an image by its first bytes; undefined for anything that is not jpeg, png or webp. */
export function imageType(data: Buffer): ImageType | undefined {
  return IMAGE_TYPES.find((type) => SIGNATURES[type](data));
}
