import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMedia } from '../../media/media.ts';
import { type ClipSpec, renderClip } from './render.ts';
import { createScene } from './render-scene.ts';
import { drawText } from './render-text.ts';

/** Without a PATH there is no ffmpeg: what is tested is node-webcodecs. */
const media = createMedia({ path: '', concurrency: 2 });
const hasWebcodecs = await import('node-webcodecs')
  .then((library) => library.isNativeAvailable())
  .catch(() => false);
const hasX264 = encoders().includes('libx264');
let dir: string;

beforeAll(async () => void (dir = await mkdtemp(path.join(tmpdir(), 'render-'))));
afterAll(() => rm(dir, { recursive: true }));

function encoders(): string {
  try {
    return execFileSync('ffmpeg', ['-v', 'error', '-encoders'], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

const small: ClipSpec = { prompt: 'A small clip', width: 128, height: 72, seconds: 1 };

test.skipIf(!hasWebcodecs).each([
  [1280, 720, 4],
  [64, 64, 1],
  [1080, 1920, 1],
  [1920, 1080, 1],
  [1792, 1024, 1],
  [640, 360, 21],
  [256, 256, 1.5],
])('%ix%i, %f s: exactly this size and length (needs node-webcodecs)', async (width, height, seconds) => {
  const file = path.join(dir, `${width}x${height}.mp4`);
  const made = await renderClip(media, { prompt: 'Waves at dusk', width, height, seconds }, file);
  expect(made).toEqual({ exact: true, encoder: 'webcodecs' });
  const info = await media.inspectVideo(file);
  expect(info).toMatchObject({ container: 'mp4', codec: 'avc', width, height, hasAudio: false });
  expect(Math.abs(info.durationSeconds - seconds)).toBeLessThanOrEqual(1 / 24);
  const bytes = await readFile(file);
  expect(bytes.indexOf('moov')).toBeLessThan(bytes.indexOf('mdat'));
});

test.skipIf(!hasX264)(
  `ffmpeg renders the same${hasX264 ? '' : ' (skipped: no ffmpeg with libx264 on PATH)'}`,
  async () => {
    const file = path.join(dir, 'ffmpeg.mp4');
    const { encodeWithFfmpeg } = await import('./render-ffmpeg.ts');
    const scene = await createScene(small, 24, 24);
    await encodeWithFfmpeg({ width: 128, height: 72, fps: 24, frames: 24, draw: scene.draw }, file);
    expect(await media.inspectVideo(file)).toMatchObject({
      codec: 'avc',
      width: 128,
      height: 72,
      durationSeconds: 1,
    });
  },
);

test.each([
  ['emoji', '🦊👩‍👩‍👧‍👦 ❄️ in the snow 🏔️'],
  ['CJK', '夕暮れの海辺を歩く猫、映画のように'],
  ['right to left', 'قطة تمشي على الشاطئ'],
  ['markup', '<b>&amp; </span> <i'],
  ['32,000 characters', 'a long story '.repeat(2_500).slice(0, 32_000)],
  ['one word without end', 'x'.repeat(32_000)],
  ['control characters', 'a\0b\u0007\u001B[31mc\r\n\t\u202E d'],
  ['half a pair', '\uD83E and \uDD8A'],
  ['nothing', ''],
  ['only white space', ' \n\u200B\u2028 '],
  ['a pile of accents', `Z${'\u0335'.repeat(400)}`],
])('any prompt can be drawn: %s', async (_, prompt) => {
  for (const clip of [
    { ...small, prompt },
    { ...small, prompt, width: 16, height: 16 },
  ]) {
    const scene = await createScene(clip, 24, 24);
    expect(scene.draw(23)).toHaveLength((clip.width * clip.height * 3) / 2);
  }
});

test('a hostile prompt goes all the way to a file', async () => {
  const prompt = '<b>&\0🦊猫 '.repeat(3_000);
  const file = path.join(dir, 'hostile.mp4');
  await renderClip(media, { ...small, prompt }, file);
  expect((await media.inspectVideo(file)).durationSeconds).toBeGreaterThan(0);
});

test('long text is shortened to fit its box, short text is not', async () => {
  const box = { fontPx: 20, maxWidth: 300, maxHeight: 80 };
  const long = await drawText('many words '.repeat(300), box);
  expect(long!.width).toBeLessThanOrEqual(300);
  expect(long!.height).toBeLessThanOrEqual(80);
  expect(long!.height).toBeGreaterThan(40);
  expect((await drawText('two words', box))!.height).toBeLessThan(30);
});

test('the prompt is there to be read: white ink on a dark panel, in the middle', async () => {
  const clip = { ...small, width: 640, height: 360 };
  const [written, blank] = await Promise.all([
    createScene(clip, 24, 24),
    createScene({ ...clip, prompt: ' ' }, 24, 24),
  ]);
  const ink = (frame: Buffer) => {
    const rows = frame.subarray(640 * 150, 640 * 210);
    return { white: rows.filter((y) => y > 225).length, dark: rows.filter((y) => y < 30).length };
  };
  expect(ink(written.draw(3)).white).toBeGreaterThan(400);
  expect(ink(written.draw(3)).dark).toBeGreaterThan(4_000);
  expect(ink(blank.draw(3)).dark).toBeLessThan(4_000);
});

test('prompts and seeds look different, the same one looks the same', async () => {
  const frame = async (clip: ClipSpec) => Buffer.from((await createScene(clip, 24, 24)).draw(5));
  const [first, again, other, seeded] = await Promise.all([
    frame(small),
    frame(small),
    frame({ ...small, prompt: 'Another one' }),
    frame({ ...small, seed: 2 }),
  ]);
  expect(again!.equals(first!)).toBe(true);
  expect(difference(first!, other!)).toBeGreaterThan(5);
  expect(difference(first!, seeded!)).toBeGreaterThan(5);
});

test('the picture moves and the bar grows to the right edge', async () => {
  const scene = await createScene(small, 24, 24);
  const first = Buffer.from(scene.draw(0));
  const last = Buffer.from(scene.draw(23));
  expect(difference(first, last)).toBeGreaterThan(1);
  const bottomRight = 128 * 72 - 1;
  expect([first[bottomRight]! < 40, last[bottomRight]! > 60]).toEqual([true, true]);
});

function difference(a: Buffer, b: Buffer): number {
  return a.reduce((sum, value, index) => sum + Math.abs(value - b[index]!), 0) / a.length;
}

test.skipIf(!hasWebcodecs)('what was encoded is what was drawn (needs node-webcodecs)', async () => {
  const at = (name: string) => path.join(dir, name);
  const [file, poster] = [at('seen.mp4'), at('seen.webp')] as const;
  const clip = { ...small, width: 640, height: 360 };
  await renderClip(media, clip, file);
  await media.makePreviews(file, { poster, sheet: at('seen.jpg'), preview: at('seen.preview.webp') });
  const scene = await createScene(clip, 24, 24);
  // The poster's frame: the middle of the third sixteenth.
  const drawn = scene.draw(Math.floor((2.5 / 16) * 24));
  const seen = await sharp(poster).removeAlpha().raw().toBuffer();
  const luma = (index: number) =>
    16 +
    (0.2126 * seen[index * 3]! + 0.7152 * seen[index * 3 + 1]! + 0.0722 * seen[index * 3 + 2]!) * (219 / 255);
  let sum = 0;
  for (let index = 0; index < 640 * 360; index += 1) sum += Math.abs(luma(index) - drawn[index]!);
  expect(sum / (640 * 360)).toBeLessThan(4);
});

test.each([
  { ...small, width: 127 },
  { ...small, height: 8 },
  { ...small, seconds: 0 },
  { ...small, seconds: Number.NaN },
  { ...small, fps: 0.5 },
])('a clip out of bounds is refused: %o', async (clip) => {
  await expect(renderClip(media, clip, path.join(dir, 'never.mp4'))).rejects.toThrow(RangeError);
});

test('a render can be given up', async () => {
  const signal = AbortSignal.timeout(100);
  const work = renderClip(
    media,
    { ...small, width: 1920, height: 1080, seconds: 60 },
    path.join(dir, 'x.mp4'),
    { signal },
  );
  await expect(work).rejects.toMatchObject({ code: 'media_aborted' });
});
