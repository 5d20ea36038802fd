import { copyFile } from 'node:fs/promises';
import { errorText } from '../../core/errors.ts';
import { encodeWithFfmpeg } from './render-ffmpeg.ts';
import type { ClipSpec, RenderedClip } from './render.ts';
import { createScene } from './render-scene.ts';
import { encodeWithWebcodecs } from './render-webcodecs.ts';

/** Frames of a clip, ready to be drawn and encoded. */
export interface Film {
  width: number;
  height: number;
  fps: number;
  frames: number;
  /** Draws frame `index` as I420, BT.709, limited range; the buffer is the same one every time. */
  draw(index: number): Buffer;
}

const BUNDLED = new URL('./render-bundled.mp4', import.meta.url);

/** Runs in a child: draws and encodes the clip with the first encoder that works here. */
export async function run({ clip, outFile }: { clip: ClipSpec; outFile: string }): Promise<RenderedClip> {
  const { width, height, fps = 24 } = clip;
  const frames = Math.max(1, Math.round(clip.seconds * fps));
  const scene = await createScene(clip, fps, frames);
  const film: Film = { width, height, fps, frames, draw: (index) => scene.draw(index) };
  const encoders = { webcodecs: encodeWithWebcodecs, ffmpeg: encodeWithFfmpeg };
  const reasons: string[] = [];
  for (const encoder of ['webcodecs', 'ffmpeg'] as const) {
    try {
      await encoders[encoder](film, outFile);
      return { exact: true, encoder };
    } catch (error) {
      // A full disk is not the encoder's fault, and would spoil the next one's work too.
      if ((error as { code?: unknown }).code === 'ENOSPC') throw error;
      reasons.push(`${encoder}: ${errorText(error)}`);
    }
  }
  await copyFile(BUNDLED, outFile);
  return { exact: false, encoder: 'bundled', reason: reasons.join('; ') };
}
