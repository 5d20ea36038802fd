import { open } from 'node:fs/promises';
import {
  EncodedPacketSink,
  FilePathSource,
  Input,
  type InputTrack,
  type InputVideoTrack,
  MP4,
  QTFF,
  WEBM,
} from 'mediabunny';
import { MediaError } from './media-error.ts';
import { VIDEO_CODECS, type VideoInfo } from './video-info.ts';

export interface OpenVideo {
  info: VideoInfo;
  track: InputVideoTrack;
}

/**
 * Opens and checks an untrusted file. Only for use in a child: a broken file can keep the parser busy for ever.
 * Throws `media_invalid` when it is not one complete video of a known kind.
 */
export async function openVideo(file: string): Promise<OpenVideo> {
  const { head, sizeBytes } = await readHead(file);
  const container = containerOf(head);
  try {
    const input = new Input({ source: new FilePathSource(file), formats: [MP4, QTFF, WEBM] });
    const [track, ...others] = await input.getVideoTracks();
    if (!track) throw invalid('The file has no video track: it may be cut off.');
    if (others.length > 0) throw invalid('The file has more than one video track.');
    const audio = await input.getAudioTracks();
    for (const one of [track, ...audio]) await checkEnd(one);

    const found = await track.getCodec();
    const codec = VIDEO_CODECS.find((known) => known === found);
    if (!codec)
      throw invalid(`The video's codec (${found ?? 'unknown'}) is not one of ${VIDEO_CODECS.join(', ')}.`);
    const width = await track.getDisplayWidth();
    const height = await track.getDisplayHeight();
    if (!isSide(width) || !isSide(height)) throw invalid('The video has no sensible width and height.');
    const durationSeconds = await track.computeDuration();
    if (!(durationSeconds > 0 && durationSeconds < 86_400))
      throw invalid('The video has no sensible duration.');

    const hasAudio = audio.length > 0;
    return { track, info: { container, codec, width, height, durationSeconds, hasAudio, sizeBytes } };
  } catch (error) {
    if (error instanceof MediaError) throw error;
    throw new MediaError('media_invalid', 'The file is broken: it cannot be read as a video.', {
      cause: error,
    });
  }
}

/** The header of a cut-off file promises everything; only its last packet tells. */
async function checkEnd(track: InputTrack): Promise<void> {
  const last = await new EncodedPacketSink(track).getPacket(Number.POSITIVE_INFINITY);
  if (!last || last.byteLength === 0)
    throw invalid(`The file is cut off: the end of its ${track.type} is missing.`);
}

async function readHead(file: string): Promise<{ head: string; sizeBytes: number }> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(64), 0, 64, 0);
    return { head: buffer.toString('latin1', 0, bytesRead), sizeBytes: size };
  } finally {
    await handle.close();
  }
}

function containerOf(head: string): VideoInfo['container'] {
  if (head === '') throw invalid('The file is empty.');
  if (head.startsWith('ftyp', 4)) return head.startsWith('qt', 8) ? 'mov' : 'mp4';
  if (head.startsWith('\x1A\x45\xDF\xA3')) return 'webm';
  if (/^\s*</.test(head)) throw invalid('The file is not a video: it looks like HTML or XML.');
  if (/^\s*[{[]/.test(head)) throw invalid('The file is not a video: it looks like JSON.');
  throw invalid('The file is not an MP4, MOV or WebM video.');
}

function isSide(pixels: number): boolean {
  return Number.isInteger(pixels) && pixels > 0 && pixels <= 16_384;
}

function invalid(message: string): MediaError {
  return new MediaError('media_invalid', message);
}
