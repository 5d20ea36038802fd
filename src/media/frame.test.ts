import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createMedia } from './media.ts';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const systemPath = process.env.PATH ?? '';
const hasWebcodecs = await import('node-webcodecs')
  .then((library) => library.isNativeAvailable())
  .catch(() => false);
vi.setConfig({ testTimeout: 60_000 });

let dir: string;

beforeAll(async () => void (dir = await mkdtemp(path.join(tmpdir(), 'frame-'))));
afterAll(() => rm(dir, { recursive: true }));

function hasFfmpeg(): boolean {
  try {
    execFileSync('ffmpeg', ['-version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Raw RGB of a png, and its size. */
async function read(file: string) {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data, size: `${info.width}x${info.height}` };
}

/** Mean difference per channel, 0 to 255. */
function difference(a: Buffer, b: Buffer): number {
  let sum = 0;
  for (let at = 0; at < a.length; at += 1) sum += Math.abs((a[at] ?? 0) - (b[at] ?? 0));
  return sum / a.length;
}

const DECODERS = [
  ['ffmpeg', systemPath, hasFfmpeg()],
  ['webcodecs', '', hasWebcodecs],
] as const;

describe.each(DECODERS)('with %s', (name, searchPath, available) => {
  const media = createMedia({ path: searchPath, concurrency: 2 });

  test.skipIf(!available).each(['clip.mp4', 'clip-bframes.mp4', 'clip-vp9.webm'])(
    'the first and the last frame of %s come out in full size, and differ',
    async (clip) => {
      const info = await media.inspectVideo(fixture(clip));
      const files = {
        first: path.join(dir, `${name}-${clip}-1.png`),
        last: path.join(dir, `${name}-${clip}-2.png`),
      };
      expect(await media.extractFrame(fixture(clip), 'first', files.first)).toEqual({
        decoded: true,
        reason: '',
      });
      expect(await media.extractFrame(fixture(clip), 'last', files.last)).toEqual({
        decoded: true,
        reason: '',
      });
      const [first, last] = [await read(files.first), await read(files.last)];
      expect([first.size, last.size]).toEqual([
        `${info.width}x${info.height}`,
        `${info.width}x${info.height}`,
      ]);
      expect(difference(first.data, last.data)).toBeGreaterThan(1);
    },
  );
});

test.skipIf(!hasFfmpeg() || !hasWebcodecs).each(['clip.mp4', 'clip-bframes.mp4', 'clip-vp9.webm'])(
  'both decoders name the same frames of %s',
  async (clip) => {
    for (const which of [1, 2]) {
      const [a, b] = await Promise.all(
        ['ffmpeg', 'webcodecs'].map((name) => read(path.join(dir, `${name}-${clip}-${which}.png`))),
      );
      expect(difference(a?.data ?? Buffer.alloc(0), b?.data ?? Buffer.alloc(0))).toBeLessThan(6);
    }
  },
);

test('a file that is no video is no error, and nothing is written', async () => {
  const file = path.join(dir, 'page.mp4');
  const target = path.join(dir, 'nothing.png');
  await writeFile(file, '<html></html>');
  const media = createMedia({ path: '' });
  expect(await media.extractFrame(file, 'last', target)).toEqual({ decoded: false, reason: 'media_invalid' });
  expect(existsSync(target)).toBe(false);
});
