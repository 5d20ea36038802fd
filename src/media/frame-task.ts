import { stat } from 'node:fs/promises';
import { EncodedPacketSink } from 'mediabunny';
import sharp from 'sharp';
import { errorText } from '../core/errors.ts';
import { ffmpeg } from './ffmpeg.ts';
import { openVideo, type OpenVideo } from './open-video.ts';
import { webcodecsPictures } from './webcodecs-pictures.ts';

export type WhichFrame = 'first' | 'last';

export interface Frame {
  decoded: boolean;
  /** Why it could not be decoded. For logs. */
  reason: string;
}

interface FrameArgs {
  file: string;
  which: WhichFrame;
  /** The png to write. */
  target: string;
}

/** Runs in a child: writes one frame with the first decoder that gives it. Throws `media_invalid`. */
export async function run({ file, which, target }: FrameArgs): Promise<Frame> {
  const video = await openVideo(file);
  const reasons: string[] = [];
  for (const decode of [withFfmpeg, withWebcodecs]) {
    try {
      await decode({ file, which, target }, video);
      return { decoded: true, reason: '' };
    } catch (error) {
      reasons.push(`${decode.name}: ${errorText(error)}`);
    }
  }
  const reason = reasons.join('; ').replaceAll(/[^\x20-\x7E]+/g, ' ');
  return { decoded: false, reason: reason.slice(0, 300) };
}

/**
 * How long before the time of the last frame to start, in seconds: a little is fast, and more is needed where the file's
 * times and ffmpeg's are apart.
 */
const WINDOWS = [0.25, 3, Number.POSITIVE_INFINITY];

async function withFfmpeg(args: FrameArgs, video: OpenVideo): Promise<void> {
  if (args.which === 'first') return writeFrame(args, video, []);
  const { first, last } = await ends(video);
  let problem: unknown;
  for (const window of WINDOWS) {
    const start = Math.max(0, last - first - window);
    try {
      // Every frame replaces the one before: the last one stays.
      return await writeFrame(args, video, start > 0 ? ['-ss', start.toFixed(6)] : []);
    } catch (error) {
      problem = error;
      // Not there at all: no window will help.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && errorText(error).startsWith('spawn')) break;
    }
  }
  throw problem;
}

async function writeFrame(
  { file, which, target }: FrameArgs,
  video: OpenVideo,
  seek: string[],
): Promise<void> {
  const { width, height } = video.info;
  const input = [...seek, '-protocol_whitelist', 'file,pipe', '-i', `file:${file}`, '-map', '0:v:0', '-an'];
  const count = which === 'first' ? ['-frames:v', '1'] : [];
  const output = ['-vf', `scale=${width}:${height}`, ...count, '-f', 'image2', '-update', '1'];
  await ffmpeg([...input, ...output, '-c:v', 'png', '-compression_level', '1', '-y', `file:${target}`]);
  // Without a frame it complains, but does not fail.
  if ((await stat(target)).size === 0) throw new Error('no frame');
}

/** When the first and the last frame are shown, in seconds. */
async function ends({ track }: OpenVideo): Promise<{ first: number; last: number }> {
  const last = await new EncodedPacketSink(track).getPacket(Number.POSITIVE_INFINITY);
  return { first: await track.getFirstTimestamp(), last: last?.timestamp ?? 0 };
}

async function withWebcodecs({ which, target }: FrameArgs, video: OpenVideo): Promise<void> {
  const { width, height } = video.info;
  const [picture] = await webcodecsPictures(video, { width, height }, (sorted) => [
    which === 'first' ? 0 : sorted.length - 1,
  ]);
  if (!picture) throw new Error('no frame');
  await sharp(picture.data, { raw: { width: picture.width, height: picture.height, channels: 3 } })
    .png({ compressionLevel: 3 })
    .toFile(target);
}
