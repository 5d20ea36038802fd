import { describe, expect, it } from 'vitest';
import { parseSize, priceMicros, sizeText, supportsSeconds, supportsSize } from './model.ts';
import { SIMULATOR_MODEL } from './simulator/simulator.ts';
import { SORA_2, SORA_2_PRO } from './sora.ts';

describe('models', () => {
  it.each(['0x1', '1x0', '1280', '1280X720', '1280x720x3', '-1x5', '123456x1', ''])(
    '"%s" is no size',
    (text) => expect(parseSize(text)).toBeUndefined(),
  );

  it('reads and writes sizes', () =>
    expect(sizeText(parseSize('1280x720') ?? { width: 0, height: 0 })).toBe('1280x720'));

  it('knows lengths by list and by bounds', () => {
    expect([4, 5, 20, 24].map((seconds) => supportsSeconds(SORA_2, seconds))).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([0, 1, 60, 61, 1.5].map((seconds) => supportsSeconds(SIMULATOR_MODEL, seconds))).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
  });

  it('knows sizes by list and by bounds', () => {
    const fits = (model: typeof SORA_2, text: string) =>
      supportsSize(model, parseSize(text) ?? { width: 0, height: 0 });
    expect(['720x1280', '1920x1080'].map((text) => fits(SORA_2, text))).toEqual([true, false]);
    expect(
      ['64x64', '1920x1920', '62x64', '65x64', '1922x64'].map((text) => fits(SIMULATOR_MODEL, text)),
    ).toEqual([true, true, false, false, false]);
  });

  it('prices by second and size', () => {
    expect(priceMicros(SORA_2, 8, { width: 720, height: 1280 })).toBe(800_000);
    expect(priceMicros(SORA_2_PRO, 4, { width: 1024, height: 1792 })).toBe(2_000_000);
    expect(priceMicros(SIMULATOR_MODEL, 60, { width: 64, height: 64 })).toBe(0);
  });
});
