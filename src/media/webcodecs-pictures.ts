import { EncodedPacketSink } from 'mediabunny';
import type { VideoFrame } from 'node-webcodecs';
import sharp from 'sharp';
import { sleep, systemClock } from '../core/clock.ts';
import type { OpenVideo } from './open-video.ts';
import type { Picture } from './pictures.ts';
import { TILES } from './previews.ts';

/** The library's converter takes eight-bit video only, and gives noise for the rest instead of an error. */
const EIGHT_BITS =
  /^(avc[13]\.(42|4d|58|64)|h(vc|ev)1\.[ABC]?1\.|vp8|vp09\.\d\d\.\d\d\.08|av01\.\d\.\d\d[MH]\.08)/i;

/** Packets sent to the decoder before a frame must come back: more than most hold back, and few enough in 4K. */
const WINDOW = 24;

/**
 * Turns RGB that was made with the BT.601 matrix, the only one the library's converter knows, into what BT.709
 * video means: M709 · M601⁻¹.
 */
const TO_BT709: [[number, number, number], [number, number, number], [number, number, number]] = [
  [1.0864, -0.0723, -0.0141],
  [0.0965, 0.8451, 0.0584],
  [-0.0141, -0.0277, 1.0418],
];

/** Which frames are wanted: indexes into the sorted times of presentation. */
type Choose = (sorted: readonly number[], durationSeconds: number) => number[];

/**
 * Decodes frames with node-webcodecs, scaled to `size`; unless told otherwise sixteen, evenly spread. Only for use in a child: the library
 * is not safe on broken input. Rejects when it is not installed or the decoder gives up.
 */
export async function webcodecsPictures(
  video: OpenVideo,
  size: { width: number; height: number },
  choose: Choose = wantedFrames,
): Promise<Picture[]> {
  const { EncodedVideoChunk, VideoDecoder } = await import('node-webcodecs');
  const config = await video.track.getDecoderConfig();
  if (!config) throw new Error('no decoder settings in the file');
  if (!EIGHT_BITS.test(config.codec)) throw new Error('not known to be eight-bit video');
  const finish = await finisher(video, size);
  const sink = new EncodedPacketSink(video.track);
  const wanted = choose(await timestamps(sink), video.info.durationSeconds);
  const last = wanted.at(-1) ?? 0;

  // A decoder's frames come in order of presentation, but the last ones carry wrong timestamps: so the n-th frame
  // is the one of the n-th packet, sorted by time.
  const found = new Map<number, Promise<Picture>>();
  const state: { received: number; failure?: Error; latest?: Promise<Picture> } = { received: 0 };
  const decoder = new VideoDecoder({
    output: (frame) => {
      if (wanted.includes(state.received)) {
        state.latest = pixels(frame).then(finish);
        found.set(state.received, state.latest);
      } else frame.close();
      state.received += 1;
    },
    error: (error) => (state.failure ??= error),
  });
  const { codec, description, codedWidth = 0, codedHeight = 0 } = config;
  decoder.configure({ codec, codedWidth, codedHeight, ...(description && { description }) });

  let sent = 0;
  let window = WINDOW;
  for await (const packet of sink.packets()) {
    if (state.failure || state.received > last) break;
    const { type, data, microsecondTimestamp: timestamp, microsecondDuration: duration } = packet;
    decoder.decode(new EncodedVideoChunk({ type, data, timestamp, duration }));
    sent += 1;
    // One picture in full size at a time: 33 MB each in 4K.
    await state.latest;
    let patience = 100;
    while (sent - state.received > window && !state.failure && patience > 0) {
      await sleep(systemClock, 2);
      patience -= 1;
    }
    // It holds back more than expected.
    if (patience === 0) window *= 2;
  }
  if (state.received <= last && !state.failure) await decoder.flush();
  // It says that it has flushed a little before its last frames are here.
  for (let patience = 100; state.received <= last && !state.failure && patience > 0; patience -= 1) {
    await sleep(systemClock, 2);
  }
  const pictures = await Promise.all(wanted.map((index) => found.get(index)));
  // Its message is left out: on broken input it has been seen to be stray memory.
  if (state.failure && found.size === 0) throw new Error('the decoder gave up');
  return pictures.filter((picture) => picture !== undefined);
}

/** Which frame, counted in order of presentation, is on screen in the middle of each tile's stretch. */
function wantedFrames(sorted: readonly number[], durationSeconds: number): number[] {
  const start = sorted[0] ?? 0;
  return Array.from({ length: TILES }, (_, tile) => {
    const time = start + ((tile + 0.5) / TILES) * durationSeconds;
    return Math.max(
      0,
      sorted.findLastIndex((timestamp) => timestamp <= time),
    );
  });
}

async function timestamps(sink: EncodedPacketSink): Promise<number[]> {
  const all: number[] = [];
  for await (const packet of sink.packets(undefined, undefined, { metadataOnly: true }))
    all.push(packet.timestamp);
  return all.sort((a, b) => a - b);
}

interface Pixels {
  width: number;
  height: number;
  data: Buffer;
}

/** Takes the frame over: it is closed once its pixels are here, for its memory may serve the next one from then on. */
async function pixels(frame: VideoFrame): Promise<Pixels> {
  const { codedWidth: width, codedHeight: height } = frame;
  const data = Buffer.alloc(width * height * 4);
  try {
    await frame.copyTo(data, { format: 'RGBA' });
  } finally {
    frame.close();
  }
  return { width, height, data };
}

/** Scales, turns and colours a decoded frame as the file says it is to be shown. */
async function finisher({ track }: OpenVideo, size: { width: number; height: number }) {
  const rotation = await track.getRotation();
  const flip = await track.getFlip();
  const { matrix } = await track.getColorSpace();
  const upright = rotation % 180 === 0 ? size : { width: size.height, height: size.width };
  return async ({ width, height, data }: Pixels): Promise<Picture> => {
    const { data: scaled } = await sharp(data, { raw: { width, height, channels: 4 } })
      .removeAlpha()
      .resize(upright.width, upright.height, { fit: 'fill', kernel: 'linear' })
      .raw()
      .toBuffer({ resolveWithObject: true });
    let shown = sharp(scaled, { raw: { ...upright, channels: 3 } }).rotate(rotation);
    if (flip) shown = shown.flop();
    if (matrix === 'bt709') shown = shown.recomb(TO_BT709);
    return { ...size, data: await shown.raw().toBuffer() };
  };
}
