import { writeFile } from 'node:fs/promises';
import { BufferTarget, EncodedPacket, EncodedVideoPacketSource, Mp4OutputFormat, Output } from 'mediabunny';
import type { EncodedVideoChunk } from 'node-webcodecs';
import type { Film } from './render-task.ts';

/** Frames handed to the encoder's thread and not yet done; each is held in memory. */
const IN_FLIGHT = 8;
/** Names the codec where the library asks; the file's own codec string is read from the stream. */
const CODEC = 'avc1.42e028';
const COLOURS = { primaries: 'bt709', transfer: 'bt709', matrix: 'bt709', fullRange: false } as const;

/** Encodes with node-webcodecs (openh264). Rejects when it is not installed or does not take the size. */
export async function encodeWithWebcodecs(film: Film, outFile: string): Promise<void> {
  const { VideoEncoder, VideoFrame } = await import('node-webcodecs');
  const { width, height, fps, frames } = film;
  const chunks: EncodedVideoChunk[] = [];
  const state: { failure?: Error; wake: () => void } = { wake: () => {} };
  const encoder = new VideoEncoder({
    output: (chunk) => {
      chunks.push(chunk);
      state.wake();
    },
    error: (error) => {
      state.failure ??= error;
      state.wake();
    },
  });
  encoder.configure({
    codec: CODEC,
    width,
    height,
    framerate: fps,
    colorSpace: COLOURS,
    bitrate: Math.max(150_000, Math.round(width * height * fps * 0.06)),
    avc: { format: 'annexb' },
  });
  for (let index = 0; index < frames && !state.failure; index += 1) {
    const timestamp = Math.round((index * 1e6) / fps);
    const layout = { format: 'I420', codedWidth: width, codedHeight: height, colorSpace: COLOURS } as const;
    const frame = new VideoFrame(film.draw(index), { ...layout, timestamp });
    encoder.encode(frame, { keyFrame: index % (2 * fps) === 0 });
    frame.close();
    while (index + 1 - chunks.length >= IN_FLIGHT && !state.failure)
      await new Promise<void>((resolve) => (state.wake = resolve));
  }
  if (!state.failure) await encoder.flush();
  if (state.failure) throw state.failure;
  if (chunks.length !== frames) throw new Error(`${chunks.length} of ${frames} frames encoded`);
  await writeFile(outFile, await multiplex(film, chunks));
}

async function multiplex(film: Film, chunks: readonly EncodedVideoChunk[]): Promise<Uint8Array> {
  const { width, height, fps } = film;
  const target = new BufferTarget();
  const output = new Output({ format: new Mp4OutputFormat({ fastStart: 'in-memory' }), target });
  const source = new EncodedVideoPacketSource('avc');
  output.addVideoTrack(source, { frameRate: fps });
  await output.start();
  const coded = { codedWidth: width, codedHeight: height, colorSpace: COLOURS };
  const decoderConfig = { codec: CODEC, ...coded };
  for (const [index, chunk] of chunks.entries()) {
    const data = new Uint8Array(chunk.byteLength);
    chunk.copyTo(data);
    // Times from the index, not from the encoder's rounded microseconds: the length comes out exact.
    await source.add(new EncodedPacket(data, chunk.type, index / fps, 1 / fps), { decoderConfig });
  }
  await output.finalize();
  if (!target.buffer) throw new Error('nothing was written');
  return new Uint8Array(target.buffer);
}
