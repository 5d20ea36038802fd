import { openVideo } from './open-video.ts';
import type { VideoInfo } from './video-info.ts';

/** Runs in a child: what the file is, or a `MediaError` that says why it is not a video. */
export async function run({ file }: { file: string }): Promise<VideoInfo> {
  const { info } = await openVideo(file);
  return info;
}
