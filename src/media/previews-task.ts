import { errorText } from '../core/errors.ts';
import { ffmpegPictures } from './ffmpeg-pictures.ts';
import { openVideo, type OpenVideo } from './open-video.ts';
import { writeAnimation } from './previews-animation.ts';
import { type Picture, writePlaceholder, writePoster, writeSheet } from './pictures.ts';
import { fitInside, POSTER_ONLY, type Previews, type PreviewTargets } from './previews.ts';
import { webcodecsPictures } from './webcodecs-pictures.ts';

/** Longest side of the poster; everything is decoded at this size, one decoding serves all. */
const POSTER_BOX = { width: 640, height: 640 };

/** About one eighth into the video: past a fade-in, and still near what a viewer sees first. */
const POSTER_TILE = 2;

/** Runs in a child: decodes with what this machine has and writes the pictures. Throws `media_invalid`. */
export async function run({ file, ...targets }: PreviewTargets & { file: string }): Promise<Previews> {
  const video = await openVideo(file);
  const decoded = await decode(file, video);
  const [first] = decoded.pictures;
  if (!first) {
    await writePlaceholder(targets.poster, fitInside(video.info, POSTER_BOX));
    return { ...POSTER_ONLY, reason: decoded.reason };
  }
  await writePoster(decoded.pictures[POSTER_TILE] ?? first, targets.poster);
  await writeSheet(decoded.pictures, targets.sheet);
  await writeAnimation(decoded.pictures, targets.preview);
  return { poster: true, sheet: true, preview: true, source: decoded.source };
}

interface Decoded {
  source: 'ffmpeg' | 'webcodecs';
  pictures: Picture[];
  reason: string;
}

/** The first decoder that gives pictures wins; ffmpeg is tried first because it stands broken files best. */
async function decode(file: string, video: OpenVideo): Promise<Decoded> {
  const size = fitInside(video.info, POSTER_BOX);
  const decoders = {
    ffmpeg: () => ffmpegPictures(file, video.info.durationSeconds, size),
    webcodecs: () => webcodecsPictures(video, size),
  };
  const reasons: string[] = [];
  for (const source of ['ffmpeg', 'webcodecs'] as const) {
    try {
      const pictures = await decoders[source]();
      if (pictures.length > 0) return { source, pictures, reason: '' };
      reasons.push(`${source}: no frame`);
    } catch (error) {
      reasons.push(`${source}: ${errorText(error)}`);
    }
  }
  return {
    source: 'webcodecs',
    pictures: [],
    reason: reasons
      .join('; ')
      .replaceAll(/[^\x20-\x7E]+/g, ' ')
      .slice(0, 300),
  };
}
