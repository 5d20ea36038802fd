import sharp from 'sharp';
import { fitInside, TILES, TILES_PER_ROW } from './previews.ts';

/** Plain pixels: RGB, eight bits each, rows without gaps. */
export interface Picture {
  width: number;
  height: number;
  data: Uint8Array;
}

const TILE_BOX = { width: 240, height: 480 };

/** Writes one picture as webp. Only for use in a child. */
export async function writePoster(picture: Picture, file: string): Promise<void> {
  const { width, height, data } = picture;
  await sharp(data, { raw: { width, height, channels: 3 } })
    .webp({ quality: 80, effort: 2 })
    .toFile(file);
}

/** Writes pictures of one size as a jpg of 4 × 4 tiles; the last one is repeated when there are too few. */
export async function writeSheet(pictures: readonly Picture[], file: string): Promise<void> {
  const [first] = pictures;
  if (!first) return;
  const wide = { width: first.width * TILES_PER_ROW, height: first.height * (TILES / TILES_PER_ROW) };
  const montage = Buffer.alloc(wide.width * wide.height * 3);
  for (let tile = 0; tile < TILES; tile += 1) {
    const picture = pictures[Math.min(tile, pictures.length - 1)] ?? first;
    const x = (tile % TILES_PER_ROW) * first.width;
    const y = Math.floor(tile / TILES_PER_ROW) * first.height;
    for (let row = 0; row < first.height; row += 1) {
      const line = picture.data.subarray(row * first.width * 3, (row + 1) * first.width * 3);
      montage.set(line, ((y + row) * wide.width + x) * 3);
    }
  }
  // Shrunk once as a whole: a whole number of pixels per tile keeps the tiles apart.
  const tile = fitInside(first, TILE_BOX);
  await sharp(montage, { raw: { ...wide, channels: 3 } })
    .resize(tile.width * TILES_PER_ROW, tile.height * (TILES / TILES_PER_ROW), {
      fit: 'fill',
      kernel: 'linear',
    })
    .jpeg({ quality: 78 })
    .toFile(file);
}

/** Writes a neutral poster with a play sign, as webp. */
export async function writePlaceholder(file: string, size: { width: number; height: number }): Promise<void> {
  const { width, height } = size;
  const side = Math.min(width, height) / 6;
  const [x, y] = [width / 2, height / 2];
  const sign = `M ${x - side * 0.8} ${y - side} L ${x + side} ${y} L ${x - side * 0.8} ${y + side} Z`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="#20242c"/><path d="${sign}" fill="#5b6475"/></svg>`;
  await sharp(Buffer.from(svg)).webp({ quality: 80 }).toFile(file);
}
