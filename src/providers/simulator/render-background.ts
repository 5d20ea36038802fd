import { mix, type Style } from './render-colours.ts';

/** Steps of shade from the top of the picture to its bottom. */
const SHADES = 48;

interface Row {
  luma: Buffer;
  u: Buffer;
  v: Buffer;
}

interface Size {
  width: number;
  height: number;
}

/**
 * Slanted waves of colour that drift sideways. Each shade is worked out once, as one row twice as wide as the
 * picture; a frame is then nothing but copies from it.
 */
export function createBackground({ width, height }: Size, style: Style, fps: number) {
  const rows = Array.from({ length: SHADES }, (_, shade) => shadeRow(width, style, shade / SHADES));
  const pixelsPerFrame = (style.direction * width) / 10 / fps;
  const half = width / 2;

  /** Fills a whole I420 frame. */
  return function paint(frame: Buffer, index: number): void {
    const shift = index * pixelsPerFrame;
    const uPlane = width * height;
    const vPlane = uPlane / 4 + uPlane;
    for (let line = 0; line < height; line += 1) {
      const row = rows[Math.floor((line * SHADES) / height)];
      // Even, so that colour and brightness move together.
      const offset = wrap(2 * Math.round((shift + line * style.slant) / 2), width);
      row?.luma.copy(frame, line * width, offset, offset + width);
      if (line % 2 === 1) continue;
      const at = (line / 2) * half;
      row?.u.copy(frame, uPlane + at, offset / 2, offset / 2 + half);
      row?.v.copy(frame, vPlane + at, offset / 2, offset / 2 + half);
    }
  };
}

function shadeRow(width: number, style: Style, depth: number): Row {
  const row = { luma: Buffer.alloc(width * 2), u: Buffer.alloc(width), v: Buffer.alloc(width) };
  const [slow, quick] = style.waves;
  for (let x = 0; x < width * 2; x += 1) {
    const turn = (2 * Math.PI * x) / width;
    const share = 0.5 + 0.34 * Math.sin(slow * turn) + 0.16 * Math.sin(quick * turn + 1);
    const colour = mix(style.from, style.to, share);
    row.luma[x] = 16 + (colour.y - 16) * (1 - depth * 0.45);
    if (x % 2 === 1) continue;
    row.u[x / 2] = colour.u;
    row.v[x / 2] = colour.v;
  }
  return row;
}

function wrap(value: number, length: number): number {
  return ((value % length) + length) % length;
}
