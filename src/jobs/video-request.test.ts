import { expect, test } from 'vitest';
import type { ModelSpec } from '../providers/model.ts';
import { SORA_2_PRO } from '../providers/sora.ts';
import { resolveRequest, type VideoWish } from './video-request.ts';

const RANGE: ModelSpec = {
  id: 'range',
  upstreamModel: 'range',
  description: '',
  seconds: { min: 2, max: 10 },
  defaultSeconds: 5,
  sizes: { min: { width: 64, height: 64 }, max: { width: 1920, height: 1920 } },
  defaultSize: { width: 1280, height: 720 },
  inputReference: false,
};

function sizeFor(model: ModelSpec, wish: Partial<VideoWish>): string {
  const { size } = resolveRequest({ prompt: 'x', hasReference: false, ...wish }, model);
  return `${size.width}x${size.height}`;
}

test.each<[ModelSpec, Partial<VideoWish>, string]>([
  [RANGE, {}, '1280x720'],
  [RANGE, { resolution: '1080p' }, '1920x1080'],
  [RANGE, { resolution: '1080P', aspectRatio: '9:16' }, '1080x1920'],
  [RANGE, { aspectRatio: '1:1' }, '720x720'],
  [RANGE, { aspectRatio: '4:3' }, '960x720'],
  [RANGE, { resolution: '480p', aspectRatio: '21:9' }, '1120x480'],
  [SORA_2_PRO, { resolution: '1080p', aspectRatio: '16:9' }, '1920x1080'],
  [SORA_2_PRO, { resolution: '720p' }, '720x1280'],
  [SORA_2_PRO, { resolution: '1792x1024' }, '1792x1024'],
  [SORA_2_PRO, { aspectRatio: '7:4' }, '1792x1024'],
])('%o.id: %j', (model, wish, size) => {
  expect(sizeFor(model, wish)).toBe(size);
});

test('1792x1024 is 7:4 and not taken for 16:9', () => {
  expect(sizeFor(SORA_2_PRO, { aspectRatio: '16:9', resolution: '720p' })).toBe('1280x720');
  expect(() => sizeFor(SORA_2_PRO, { aspectRatio: '16:9', resolution: '1792x1024' })).toThrow(
    '1792x1024 is not 16:9',
  );
});

test('what a model cannot do is refused with what it can, never bent', () => {
  expect(() => sizeFor(SORA_2_PRO, { resolution: '4k' })).toThrow(/720x1280, 1280x720/);
  expect(() => sizeFor(RANGE, { seconds: 11 })).toThrow('2 to 10 whole seconds');
  expect(() => sizeFor(SORA_2_PRO, { seconds: 5 })).toThrow(/4, 8, 12/);
  expect(() => sizeFor(RANGE, { hasReference: true })).toThrow('does not take a reference image');
});
