import { ffmpeg } from './ffmpeg.ts';
import type { Picture } from './pictures.ts';
import { TILES } from './previews.ts';

/**
 * Decodes up to sixteen evenly spread frames with the system's ffmpeg, scaled to `size` (it honours rotation).
 * Rejects when there is no ffmpeg or it gives up.
 */
export async function ffmpegPictures(
  file: string,
  durationSeconds: number,
  size: { width: number; height: number },
): Promise<Picture[]> {
  const { width, height } = size;
  const filter = `fps=${TILES}/${durationSeconds.toFixed(6)},scale=${width}:${height}`;
  const output = `-an -frames:v ${TILES} -f rawvideo -pix_fmt rgb24 pipe:1`.split(' ');
  const input = ['-protocol_whitelist', 'file,pipe', '-i', `file:${file}`];
  const pixels = await ffmpeg([...input, '-map', '0:v:0', '-vf', filter, ...output]);
  const bytes = width * height * 3;
  return Array.from({ length: Math.floor(pixels.length / bytes) }, (_, index) => ({
    width,
    height,
    data: pixels.subarray(index * bytes, (index + 1) * bytes),
  }));
}
