import { stat } from 'node:fs/promises';
import sharp from 'sharp';
import type { Picture } from './pictures.ts';
import { fitInside } from './previews.ts';

/** Time of one picture: eight in a second. */
const DELAY_MS = 125;
const MAX_BYTES = 300_000;

/** Pictures that compress badly (noise, rain, confetti) get fewer bits, at last fewer pixels; the last one is kept. */
const STEPS = [
  { side: 320, quality: 60 },
  { side: 320, quality: 35 },
  { side: 320, quality: 15 },
  { side: 200, quality: 10 },
] as const;

/** Writes pictures of one size as a looping animated webp of less than 300 kB. Only for use in a child. */
export async function writeAnimation(pictures: readonly Picture[], file: string): Promise<void> {
  const [first] = pictures;
  if (!first) return;
  for (const { side, quality } of STEPS) {
    const size = fitInside(first, { width: side, height: side });
    const pages = await Promise.all(pictures.map((picture) => shrink(picture, size)));
    const whole = { width: size.width, height: size.height * pages.length, pageHeight: size.height };
    await sharp(Buffer.concat(pages), { raw: { ...whole, channels: 3 } })
      .webp({ quality, effort: 2, loop: 0, delay: pages.map(() => DELAY_MS) })
      .toFile(file);
    if ((await stat(file)).size < MAX_BYTES) return;
  }
}

async function shrink({ width, height, data }: Picture, size: { width: number; height: number }) {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .resize(size.width, size.height, { fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer();
}
