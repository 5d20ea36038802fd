import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Upstream } from './upstream.ts';

/** Settings for an upstream that knows no idempotency key and says nothing about itself: its list has to tell. */
export async function listOnlyEnv(upstream: Upstream, dir: string): Promise<Record<string, string>> {
  const models = [{ id: 'simulator', seconds: [1, 2, 4], sizes: ['64x64'] }];
  const connection = {
    name: 'lists',
    adapter: 'openai-videos',
    baseUrl: `${upstream.url}/v1`,
    dialect: 'openai',
    timeoutMs: 10_000,
    models,
  };
  const file = join(dir, 'providers.json');
  await writeFile(file, JSON.stringify({ connections: [connection], defaultModel: 'simulator' }));
  return { PROVIDERS_FILE: file, OPENAI_BASE_URL: '', DEFAULT_MODEL: '' };
}
