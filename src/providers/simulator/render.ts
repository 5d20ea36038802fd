import { resolve } from 'node:path';
import { childTask } from '../../media/child-task.ts';
import type { Media, RunOptions } from '../../media/media.ts';

/** What a made-up clip shows. JSON only: it travels to a child. */
export interface ClipSpec {
  /** Any text; shown wrapped and shortened. Decides the colours. */
  prompt: string;
  /** Pixels, even, 16 to 4096. */
  width: number;
  height: number;
  /** More than 0, at most 120. */
  seconds: number;
  /** Frames per second, 1 to 60; 24 when left out. */
  fps?: number;
  /** Other colours and movement for the same prompt. */
  seed?: string | number;
  /** The small sign in the corner; `simulator` when left out. */
  label?: string;
}

export interface RenderedClip {
  /** False when nothing here can encode: the file is then a small bundled clip, whatever was asked for. */
  exact: boolean;
  encoder: 'webcodecs' | 'ffmpeg' | 'bundled';
  /** Why it is the bundled clip. For logs. */
  reason?: string;
}

const render = childTask<typeof import('./render-task.ts')>(
  new URL('./render-task.ts', import.meta.url),
  120_000,
);

/**
 * Writes an H.264 MP4 (index first, no sound) of exactly this size and, to one frame, this length.
 * Throws `RangeError` for a clip out of bounds, otherwise `MediaError`; then a half-written file may be there.
 */
export async function renderClip(
  media: Media,
  clip: ClipSpec,
  outFile: string,
  options?: RunOptions,
): Promise<RenderedClip> {
  checkBounds(clip);
  return await media.run(render, { clip, outFile: resolve(outFile) }, options);
}

function checkBounds({ width, height, seconds, fps = 24 }: ClipSpec): void {
  const isSide = (pixels: number) => pixels % 2 === 0 && pixels >= 16 && pixels <= 4096;
  if (!isSide(width) || !isSide(height)) throw new RangeError(`cannot render ${width}x${height}`);
  if (!(seconds > 0 && seconds <= 120)) throw new RangeError(`cannot render ${seconds} s`);
  if (!(Number.isInteger(fps) && fps >= 1 && fps <= 60)) throw new RangeError(`cannot render ${fps} fps`);
}
