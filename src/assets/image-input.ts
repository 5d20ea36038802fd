import { AppError } from '../core/errors.ts';

/** An image as it may be given. */
export type ImageInput =
  | { data: Buffer }
  /** http(s), or a data URL. */
  | { url: string }
  | { assetId: string }
  /** A local image file that was made here; it stays where it is. */
  | { file: string; source: 'frame' };

/** A text that names an image: an asset's id, or an address. */
export function parseImageText(text: string): ImageInput {
  return text.startsWith('asset_') ? { assetId: text } : { url: text };
}

const DATA_URL = /^data:[^,;]*(?:;[^,;]*)*;base64,([A-Za-z0-9+/=_\s-]+)$/i;

/** The bytes in a data URL. What it says they are is not believed. Throws `invalid_reference`. */
export function decodeDataUrl(url: string): Buffer {
  const match = DATA_URL.exec(url);
  if (!match?.[1]) throw invalid('A data URL of an image looks like data:image/png;base64,…');
  return Buffer.from(match[1], 'base64');
}

export function invalid(message: string, cause?: unknown): AppError {
  return new AppError('invalid_reference', { message, cause });
}
