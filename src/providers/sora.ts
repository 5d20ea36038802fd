import type { ModelSpec, Size } from './model.ts';

const P720: readonly Size[] = [
  { width: 720, height: 1280 },
  { width: 1280, height: 720 },
];

/**
 * Sora 2 as OpenAI offered it until 2026-09-24, for servers that took over its name and its limits. Prices are
 * OpenAI's last list prices (0.10 and 0.30 USD per second; the larger sizes as quoted on 2026-09-19).
 */
export const SORA_2: ModelSpec = {
  id: 'sora-2',
  upstreamModel: 'sora-2',
  description: 'Sora 2.',
  seconds: [4, 8, 12, 16, 20],
  defaultSeconds: 4,
  sizes: P720,
  defaultSize: { width: 720, height: 1280 },
  inputReference: true,
  pricePerSecondMicros: 100_000,
};

/** The larger one; bigger frames cost more. */
export const SORA_2_PRO: ModelSpec = {
  ...SORA_2,
  id: 'sora-2-pro',
  upstreamModel: 'sora-2-pro',
  description: 'Sora 2 Pro.',
  sizes: [
    ...P720,
    { width: 1024, height: 1792 },
    { width: 1792, height: 1024 },
    { width: 1080, height: 1920 },
    { width: 1920, height: 1080 },
  ],
  pricePerSecondMicros: 300_000,
  pricePerSecondBySize: {
    '1024x1792': 500_000,
    '1792x1024': 500_000,
    '1080x1920': 700_000,
    '1920x1080': 700_000,
  },
};
