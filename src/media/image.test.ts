import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { animated, blackPng, picture } from '../../test/images.ts';
import { isAnimatedPng } from './animated-png.ts';
import { imageType } from './image.ts';
import { createMedia } from './media.ts';

const media = createMedia({ concurrency: 1 });
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sora-image-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, data: Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, data);
  return path;
}

test.each(['jpeg', 'png', 'webp'] as const)('the same %s gives the same bytes', async (format) => {
  const input = await file(`same.${format}`, await picture(format));
  const outputs: Buffer[] = [];
  for (const n of [1, 2]) {
    const output = join(folder, `same-${n}.${format}`);
    const clean = await media.cleanImage(input, output);
    expect(clean).toEqual({
      contentType: `image/${format}`,
      width: 64,
      height: 48,
      original: { width: 64, height: 48 },
    });
    outputs.push(await readFile(output));
  }
  expect(outputs[0]?.equals(outputs[1] ?? Buffer.alloc(0))).toBe(true);
  expect(imageType(outputs[0] ?? Buffer.alloc(0))).toBe(`image/${format}`);
});

test('an image of 100 megapixels is refused by its header, in flat memory', async () => {
  const input = await file('huge.png', await blackPng(10_000, 10_000));
  // Run by hand in a process like a child's, which says how much memory it ever had.
  const script = `
    const { run } = await import(${JSON.stringify(new URL('./image-task.ts', import.meta.url).href)});
    const rss = () => process.resourceUsage().maxRSS;
    const before = rss();
    const start = performance.now();
    const error = await run({ file: process.argv[1], output: process.argv[1] + '.out' }).catch((error) => error);
    const ms = performance.now() - start;
    console.log(JSON.stringify({ code: error.code, message: error.message, grownKb: rss() - before, ms }));`;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script, input], {
    encoding: 'utf8',
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
  });
  const { code, message, grownKb, ms } = JSON.parse(said) as Record<string, unknown>;
  expect([code, message]).toEqual([
    'media_invalid',
    'The image has 10000 x 10000 pixels; at most 50 million, and 16383 on a side, are possible.',
  ]);
  expect(grownKb).toBeLessThan(20_000);
  expect(ms).toBeLessThan(2_000);
});

test('an image just within the limit is taken', { timeout: 60_000 }, async () => {
  const input = await file('large.png', await blackPng(10_000, 5_000));
  const output = join(folder, 'large.clean');
  expect(await media.cleanImage(input, output)).toMatchObject({ width: 10_000, height: 5_000 });
});

test('an image that is too large once written anew is refused', { timeout: 60_000 }, async () => {
  const raw = { width: 2700, height: 2700, channels: 3 } as const;
  const noise = randomBytes(raw.width * raw.height * raw.channels);
  const lossless = await sharp(noise, { raw }).png({ compressionLevel: 0 }).toBuffer();
  expect(lossless.length).toBeGreaterThan(20 * 1024 ** 2);
  const input = await file('noise.png', lossless);
  await expect(media.cleanImage(input, join(folder, 'noise.clean'))).rejects.toMatchObject({
    code: 'media_invalid',
    message: expect.stringMatching(/^Written anew, the image has \d+ MiB, and at most 20 MiB/) as string,
  });
});

test('an animated PNG is told from one that is not, and from one that is cut off', async () => {
  const png = await picture('png');
  expect(await isAnimatedPng(await file('still.png', png))).toBe(false);
  expect(await isAnimatedPng(await file('moving.png', animated(png)))).toBe(true);
  expect(await isAnimatedPng(await file('cut.png', png.subarray(0, 30)))).toBe(false);
});
