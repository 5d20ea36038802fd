import { expect, test } from 'vitest';
import { sharedBuffersMb } from './embedded-settings.ts';

test.each([
  [1, 32],
  [4, 64],
  [8, 128],
  [64, 256],
])('a machine with %d GiB gives %d MB to the buffers', (gib, mb) => {
  expect(sharedBuffersMb(gib * 1024 ** 3)).toBe(mb);
});
