import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from './config.ts';
import { readProvidersFile } from './providers-file.ts';
import { temporaryFolder } from './storage/storage-contract.ts';

async function fileWith(content: unknown): Promise<string> {
  const file = join(await temporaryFolder(), 'providers.json');
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

const CONNECTION = { name: 'gpu', adapter: 'openai-videos', baseUrl: 'http://gpu:8000/v1' };

test('named connections, aliases and the default model come from the file; keys from the environment', async () => {
  const PROVIDERS_FILE = await fileWith({
    connections: [
      { ...CONNECTION, apiKey: '$GPU_KEY', dialect: 'vllm-omni', maxRunning: 1, models: [{ id: 'wan' }] },
    ],
    aliases: { 'sora-2': 'wan' },
    defaultModel: 'wan',
  });
  const config = loadConfig({ PROVIDERS_FILE, GPU_KEY: 'secret', MODEL_ALIASES: 'sora-2-pro=wan' });
  expect(config).toMatchObject({
    connections: [{ name: 'gpu', dialect: 'vllm-omni', maxRunning: 1, maxRetries: 3 }],
    aliases: { 'sora-2': 'wan', 'sora-2-pro': 'wan' },
    defaultModel: 'wan',
  });
  expect(config.connections[0]?.apiKey?.reveal()).toBe('secret');
  expect(() => loadConfig({ PROVIDERS_FILE })).toThrow(/problem/);
});

test.each<[string, unknown, RegExp]>([
  ['no JSON', '{', /cannot be read/],
  ['an unknown dialect', { connections: [{ ...CONNECTION, dialect: 'klingon' }] }, /connections\/0\/dialect/],
  ['an unknown field', { connections: [{ ...CONNECTION, url: 'x' }] }, /connections\/0/],
  ['the same name twice', { connections: [CONNECTION, CONNECTION] }, /names the connection gpu twice/],
  ['no connections', {}, /connections/],
  [
    'a negative price',
    { connections: [{ ...CONNECTION, models: [{ id: 'm', pricePerSecondUsd: -1 }] }] },
    /pricePerSecondUsd/,
  ],
])('a file with %s is refused with its place', async (_what, content, problem) => {
  expect(readProvidersFile(await fileWith(content)).problems.join(' ')).toMatch(problem);
});

test('a file that is not there is a problem, not a crash', () => {
  expect(readProvidersFile('/does/not/exist.json').problems).toHaveLength(1);
});
