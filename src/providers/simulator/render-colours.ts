import { sha256 } from '../../core/ids.ts';

/** A colour as BT.709 video has it, limited range. */
export interface Yuv {
  y: number;
  u: number;
  v: number;
}

/** Everything of a clip's looks that its prompt and seed decide. */
export interface Style {
  /** The two colours that the background goes between, and the progress bar's. */
  from: Yuv;
  to: Yuv;
  accent: Yuv;
  /** Waves across the picture's width. */
  waves: [number, number];
  /** Pixels that a row is shifted against the one above; negative leans the other way. */
  slant: number;
  direction: 1 | -1;
}

/** The same text and seed always look the same. */
export function styleOf(prompt: string, seed: string | number): Style {
  const digest = Buffer.from(sha256(`${seed}\n${prompt}`), 'hex');
  const fraction = (index: number) => (digest[index] ?? 0) / 255;
  const hue = fraction(0);
  return {
    from: yuvOf(hue, 0.75, 0.22 + fraction(1) * 0.1),
    to: yuvOf(hue + 0.12 + fraction(2) * 0.35, 0.7, 0.5 + fraction(3) * 0.15),
    accent: yuvOf(hue + 0.5, 0.9, 0.65),
    waves: [1 + Math.round(fraction(4)), 2 + Math.round(fraction(5) * 2)],
    slant: fraction(6) * 1.6 - 0.8,
    direction: fraction(7) < 0.5 ? 1 : -1,
  };
}

/** Mixes two colours; 0 is all `a`, 1 is all `b`. */
export function mix(a: Yuv, b: Yuv, share: number): Yuv {
  const at = (from: number, to: number) => from + (to - from) * share;
  return { y: at(a.y, b.y), u: at(a.u, b.u), v: at(a.v, b.v) };
}

function yuvOf(hue: number, saturation: number, lightness: number): Yuv {
  const [red, green, blue] = [0, 8, 4].map((offset) => {
    const k = (offset + hue * 12) % 12;
    return (
      lightness - saturation * Math.min(lightness, 1 - lightness) * Math.max(-1, Math.min(k - 3, 9 - k, 1))
    );
  }) as [number, number, number];
  const luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return {
    y: 16 + 219 * luma,
    u: 128 + (224 * (blue - luma)) / 1.8556,
    v: 128 + (224 * (red - luma)) / 1.5748,
  };
}
