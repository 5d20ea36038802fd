import { ffmpeg } from '../../media/ffmpeg.ts';
import type { Film } from './render-task.ts';

const BT709 = '-color_range tv -colorspace bt709 -color_primaries bt709 -color_trc bt709';
const H264 = '-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 48 -movflags +faststart -f mp4 -y';

/** Encodes with the system's ffmpeg and its x264. Rejects when there is none. */
export async function encodeWithFfmpeg(film: Film, outFile: string): Promise<void> {
  const { width, height, fps } = film;
  const input = `-f rawvideo -pix_fmt yuv420p -s ${width}x${height} -r ${fps} ${BT709} -i pipe:0`;
  await ffmpeg([...input.split(' '), ...H264.split(' '), `file:${outFile}`], frames(film));
}

/** Copies, because a stream may hold several chunks at once. */
function* frames(film: Film): Generator<Buffer> {
  for (let index = 0; index < film.frames; index += 1) yield Buffer.from(film.draw(index));
}
