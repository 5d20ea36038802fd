import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  BufferSource,
  BufferTarget,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  Input,
  MP4,
  Mp4OutputFormat,
  Output,
} from 'mediabunny';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMedia } from './media.ts';
import { MediaError } from './media-error.ts';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const media = createMedia({ concurrency: 2 });
let dir: string;
let clip: Buffer;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'inspect-'));
  clip = await readFile(fixture('clip.mp4'));
});
afterAll(() => rm(dir, { recursive: true }));

async function inspect(data: Uint8Array | string, name = 'file.mp4', timeoutMs = 10_000) {
  const file = path.join(dir, name);
  await writeFile(file, data);
  return await media.inspectVideo(file, { timeoutMs }).catch((error: unknown) => {
    if (error instanceof MediaError) return error;
    throw error;
  });
}

/** The fixture's packets in another wrapping. */
async function rewrap(options: { fastStart: false | 'in-memory' | 'fragmented'; rotation?: 90; tracks?: 2 }) {
  const input = new Input({ source: new BufferSource(clip), formats: [MP4] });
  const track = (await input.getPrimaryVideoTrack())!;
  const decoderConfig = (await track.getDecoderConfig())!;
  const target = new BufferTarget();
  const output = new Output({ format: new Mp4OutputFormat({ fastStart: options.fastStart }), target });
  const sources = Array.from({ length: options.tracks ?? 1 }, () => new EncodedVideoPacketSource('avc'));
  for (const source of sources) output.addVideoTrack(source, { rotation: options.rotation ?? 0 });
  await output.start();
  for await (const packet of new EncodedPacketSink(track).packets()) {
    for (const source of sources) await source.add(packet, { decoderConfig });
  }
  await output.finalize();
  return Buffer.from(target.buffer!);
}

test('an MP4 is described', async () => {
  expect(await media.inspectVideo(fixture('clip.mp4'))).toEqual({
    container: 'mp4',
    codec: 'avc',
    width: 320,
    height: 180,
    durationSeconds: 2,
    hasAudio: false,
    sizeBytes: clip.length,
  });
});

test('a WebM is described', async () => {
  const info = await media.inspectVideo(fixture('clip-vp9.webm'));
  expect(info).toMatchObject({ container: 'webm', codec: 'vp9', width: 160, height: 90, durationSeconds: 2 });
});

test.each([false, 'fragmented'] as const)(
  'an index elsewhere (fastStart %s) is no obstacle',
  async (fastStart) => {
    const info = await inspect(await rewrap({ fastStart }), `${String(fastStart)}.mp4`);
    expect(info).toMatchObject({ width: 320, height: 180 });
    expect((info as { durationSeconds: number }).durationSeconds).toBeCloseTo(2, 0);
  },
);

test('a turned video has the size that is shown', async () => {
  const info = await inspect(await rewrap({ fastStart: 'in-memory', rotation: 90 }), 'turned.mp4');
  expect(info).toMatchObject({ width: 180, height: 320 });
});

test('sound is noticed, and its missing end, too', async () => {
  const whole = await readFile(fixture('clip-bframes.mp4'));
  expect(await inspect(whole, 'sound.mp4')).toMatchObject({ hasAudio: true, durationSeconds: 4 });
  expect(await inspect(whole.subarray(0, -20), 'sound-cut.mp4')).toMatchObject({ code: 'media_invalid' });
});

test('the QuickTime brand is MOV', async () => {
  const mov = Buffer.from(clip);
  mov.write('qt  ', 8, 'latin1');
  expect(await inspect(mov, 'clip.mov')).toMatchObject({ container: 'mov', width: 320 });
});

test('two video tracks are refused', async () => {
  const info = await inspect(await rewrap({ fastStart: 'in-memory', tracks: 2 }), 'two.mp4');
  expect(info).toMatchObject({ code: 'media_invalid', message: expect.stringContaining('more than one') });
});

test.each([
  ['empty', '', 'empty'],
  ['HTML', '<!DOCTYPE html><title>502 Bad Gateway</title>', 'HTML'],
  ['JSON', '{"error":{"message":"expired"}}', 'JSON'],
  ['text', 'just some text', 'not an MP4'],
  ['only a head', '\0\0\0\x18ftypisom\0\0\0\0', 'broken|no video track'],
])('%s is refused with a reason', async (name, data, reason) => {
  const error = await inspect(data, `${name}.mp4`);
  expect(error).toMatchObject({ code: 'media_invalid' });
  expect((error as MediaError).message).toMatch(new RegExp(reason));
});

test.each([0.999, 0.9, 0.5, 0.1])('a file cut off at %f of its length is refused', async (share) => {
  const cut = clip.subarray(0, Math.floor(clip.length * share));
  expect(await inspect(cut, `cut-${share}.mp4`)).toMatchObject({ code: 'media_invalid' });
  const late = await rewrap({ fastStart: false });
  const lateCut = late.subarray(0, Math.floor(late.length * share));
  expect(await inspect(lateCut, `late-${share}.mp4`)).toMatchObject({ code: 'media_invalid' });
});

test('a file that is not there is a failure, not a bad video', async () => {
  await expect(media.inspectVideo(path.join(dir, 'none.mp4'))).rejects.toMatchObject({
    code: 'media_failed',
  });
});

test('30 damaged copies all end in time, with an answer or a MediaError', async () => {
  const limitMs = 1_000;
  const outcomes = await Promise.all(
    Array.from({ length: 30 }, (_, index) => inspect(damage(clip, index + 1), `bad-${index}.mp4`, limitMs)),
  );
  for (const outcome of outcomes) {
    if (outcome instanceof MediaError) expect(outcome.code).toMatch(/^media_(invalid|timeout|crashed)$/);
    else expect(outcome.durationSeconds).toBeGreaterThan(0);
  }
}, 20_000);

/** The same damage for the same seed: 1 to 200 bytes overwritten, half of the time in the index alone. */
function damage(data: Buffer, seed: number): Buffer {
  const copy = Buffer.from(data);
  let state = seed * 2_654_435_761;
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const reach = seed % 2 === 0 ? copy.length : Math.min(copy.length, 1_200);
  for (let count = next(200) + 1; count > 0; count -= 1) copy[next(reach)] = next(256);
  return copy;
}
