import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMedia } from './media.ts';
import { writeAnimation } from './previews-animation.ts';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const systemPath = process.env.PATH ?? '';
const hasFfmpeg = runs('ffmpeg', ['-version']);
const hasWebcodecs = await import('node-webcodecs')
  .then((library) => library.isNativeAvailable())
  .catch(() => false);
/** Without a PATH there is no ffmpeg. */
const media = createMedia({ path: '', concurrency: 2 });
let dir: string;

beforeAll(async () => void (dir = await mkdtemp(path.join(tmpdir(), 'previews-'))));
afterAll(() => rm(dir, { recursive: true }));

function runs(tool: string, args: string[]): boolean {
  try {
    execFileSync(tool, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function sizeOf(file: string) {
  const { width, height, format } = await sharp(file).metadata();
  return `${format} ${width}x${height}`;
}

const targets = (name: string) => ({
  poster: path.join(dir, `${name}.webp`),
  sheet: path.join(dir, `${name}.jpg`),
  preview: path.join(dir, `${name}.preview.webp`),
});

async function animationOf(file: string) {
  const { width, pageHeight, pages, delay, loop } = await sharp(file, { animated: true }).metadata();
  const [first] = delay ?? [];
  expect(delay).toEqual(delay?.map(() => first));
  return { size: `${width}x${pageHeight}`, pages, delay: first, loop };
}

/** Mean brightness of each tile, 0 to 255. */
async function tileMeans(sheet: string): Promise<number[]> {
  const { width = 0, height = 0 } = await sharp(sheet).metadata();
  const tile = { width: width / 4, height: height / 4 };
  return await Promise.all(
    Array.from({ length: 16 }, async (_, index) => {
      const left = (index % 4) * tile.width;
      const top = Math.floor(index / 4) * tile.height;
      const { channels } = await sharp(
        await sharp(sheet)
          .extract({ left, top, ...tile })
          .png()
          .toBuffer(),
      ).stats();
      return channels[1]!.mean;
    }),
  );
}

test.skipIf(!hasWebcodecs)('node-webcodecs gives poster and sheet (needs its prebuilt library)', async () => {
  const files = targets('webcodecs');
  const made = await media.makePreviews(fixture('clip.mp4'), files);
  expect(made).toEqual({ poster: true, sheet: true, preview: true, source: 'webcodecs' });
  expect(await animationOf(files.preview)).toEqual({ size: '320x180', pages: 16, delay: 125, loop: 0 });
  expect((await stat(files.preview)).size).toBeLessThan(300_000);
  expect(await sizeOf(files.poster)).toBe('webp 320x180');
  expect(await sizeOf(files.sheet)).toBe('jpeg 960x540');
});

test.skipIf(!hasWebcodecs)('the tiles follow time, to the last one (needs node-webcodecs)', async () => {
  const files = targets('vp9');
  await media.makePreviews(fixture('clip-vp9.webm'), files);
  const means = await tileMeans(files.sheet);
  expect(means).toEqual(means.toSorted((a, b) => a - b));
  expect(means.at(-1)! - means[0]!).toBeGreaterThan(50);
});

test.skipIf(!hasWebcodecs)(
  'frames out of order and turned come out right (needs node-webcodecs)',
  async () => {
    // High profile, three B-frames, one key frame, with sound; brightness rises with time.
    const source = await readFile(fixture('clip-bframes.mp4'));
    const files = targets('bframes');
    expect(await media.makePreviews(fixture('clip-bframes.mp4'), files)).toMatchObject({
      source: 'webcodecs',
    });
    const means = await tileMeans(files.sheet);
    expect(means).toEqual(means.toSorted((a, b) => a - b));
    expect(new Set(means.map(Math.round)).size).toBe(16);

    // A quarter turn, written into the track's matrix.
    const matrix = source.indexOf('tkhd') + 4 + 40;
    for (const [index, value] of [0, 1, 0, -1, 0, 0].entries())
      source.writeInt32BE(value * 65_536, matrix + index * 4);
    const turned = path.join(dir, 'turned.mp4');
    await writeFile(turned, source);
    await media.makePreviews(turned, files);
    expect([await sizeOf(files.poster), await sizeOf(files.sheet)]).toEqual([
      'webp 180x320',
      'jpeg 720x1280',
    ]);
  },
);

test.skipIf(!hasFfmpeg)(
  `ffmpeg gives poster and sheet${hasFfmpeg ? '' : ' (skipped: no ffmpeg on PATH)'}`,
  async () => {
    const files = targets('ffmpeg');
    const made = await createMedia({ path: systemPath }).makePreviews(fixture('clip-vp9.webm'), files);
    expect(made).toEqual({ poster: true, sheet: true, preview: true, source: 'ffmpeg' });
    expect(await sizeOf(files.poster)).toBe('webp 160x90');
    const means = await tileMeans(files.sheet);
    expect(means).toEqual(means.toSorted((a, b) => a - b));
  },
);

test('pictures that compress badly still make a small animation', async () => {
  const file = path.join(dir, 'noise.webp');
  const noise = () => ({ width: 640, height: 640, data: randomBytes(640 * 640 * 3) });
  await writeAnimation(Array.from({ length: 16 }, noise), file);
  expect((await stat(file)).size).toBeLessThan(300_000);
  expect(await animationOf(file)).toMatchObject({ pages: 16, delay: 125, loop: 0 });
});

test('a video whose pictures cannot be decoded gets a placeholder and no sheet', async () => {
  const data = await readFile(fixture('clip.mp4'));
  data.fill(0, data.indexOf('mdat') + 8);
  const file = path.join(dir, 'blank.mp4');
  await writeFile(file, data);
  const files = targets('blank');
  const made = await media.makePreviews(file, files);
  expect(made).toMatchObject({ poster: true, sheet: false, preview: false, source: 'placeholder' });
  // About one time in eight node-webcodecs crashes on this file; then nobody knows the video's shape.
  const crashed = made.reason === 'media_crashed';
  expect(await sizeOf(files.poster)).toBe(crashed ? 'webp 640x360' : 'webp 320x180');
  expect(existsSync(files.sheet)).toBe(false);
  expect(existsSync(files.preview)).toBe(false);
});

test('a decoder that takes too long gives a placeholder, too', async () => {
  const files = targets('slow');
  const made = await media.makePreviews(fixture('clip.mp4'), files, { timeoutMs: 30 });
  expect(made).toEqual({
    poster: true,
    sheet: false,
    preview: false,
    source: 'placeholder',
    reason: 'media_timeout',
  });
  expect(await sizeOf(files.poster)).toBe('webp 640x360');
});

test('what is no video is refused', async () => {
  const file = path.join(dir, 'page.mp4');
  await writeFile(file, '<html></html>');
  await expect(media.makePreviews(file, targets('page'))).rejects.toMatchObject({ code: 'media_invalid' });
});

test('12 videos with damaged pictures all end, with previews or a MediaError', async () => {
  const clip = await readFile(fixture('clip.mp4'));
  const start = clip.indexOf('mdat') + 8;
  const runs = Array.from({ length: 12 }, async (_, index) => {
    const copy = Buffer.from(clip);
    for (let at = start + index; at < copy.length; at += 97 + index * 31) copy[at] = (at * 7 + index) % 256;
    const file = path.join(dir, `damaged-${index}.mp4`);
    await writeFile(file, copy);
    return await media.makePreviews(file, targets(`damaged-${index}`), { timeoutMs: 3_000 });
  });
  for (const outcome of await Promise.allSettled(runs)) {
    if (outcome.status === 'fulfilled') expect(outcome.value.poster).toBe(true);
    else expect(outcome.reason).toMatchObject({ name: 'MediaError' });
  }
}, 60_000);
