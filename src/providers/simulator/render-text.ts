import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

const FONT = fileURLToPath(new URL('./font/DejaVuSans-Bold.ttf', import.meta.url));

/** Text as coverage, one byte per pixel: 0 is none, 255 is ink. */
export interface TextMask {
  width: number;
  height: number;
  data: Buffer;
}

export interface TextBox {
  /** Height of a letter with its line, in pixels. */
  fontPx: number;
  maxWidth: number;
  maxHeight: number;
}

/**
 * Draws text wrapped into a box, shortened with an ellipsis where it is too long. Undefined when there is
 * nothing to see. Letters that the bundled font lacks are drawn as boxes or from the system's fonts.
 */
export async function drawText(text: string, box: TextBox): Promise<TextMask | undefined> {
  // An estimate from the font's narrowest common letters spares laying out 32,000 characters.
  const columns = Math.ceil(box.maxWidth / (box.fontPx * 0.3));
  const rows = Math.ceil(box.maxHeight / box.fontPx);
  const letters = Array.from(plain(text.slice(0, columns * rows * 4)));
  for (let keep = Math.min(letters.length, columns * rows); keep > 0; keep = Math.floor(keep * 0.85)) {
    const whole = keep === letters.length && text.length <= columns * rows * 4;
    const mask = await rasterise(letters.slice(0, keep).join('').trimEnd() + (whole ? '' : '…'), box);
    if (!mask || mask.height <= box.maxHeight) return mask && crop(mask, box);
  }
  return undefined;
}

async function rasterise(text: string, box: TextBox): Promise<TextMask | undefined> {
  if (text.trim() === '') return undefined;
  try {
    const { data, info } = await sharp({
      text: {
        // The text is read as markup.
        text: text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
        font: `DejaVu Sans Bold ${box.fontPx}`,
        fontfile: FONT,
        width: box.maxWidth,
        dpi: 72,
        wrap: 'word-char',
      },
    })
      .extractChannel(0)
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data };
  } catch {
    // Nothing but invisible characters.
    return undefined;
  }
}

/** One unbreakable letter can be wider than a tiny box. */
async function crop(mask: TextMask, box: TextBox): Promise<TextMask> {
  const { width, height } = mask;
  if (width <= box.maxWidth) return mask;
  const data = await sharp(mask.data, { raw: { width, height, channels: 1 } })
    .extract({ left: 0, top: 0, width: box.maxWidth, height })
    .extractChannel(0)
    .raw()
    .toBuffer();
  return { width: box.maxWidth, height, data };
}

/** Without control characters, direction marks and broken pairs; white space becomes one blank. */
function plain(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cs}\u2028-\u202E\u2066-\u2069]+|\s+/gu, ' ')
    .trim();
}
