import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LightMyRequestResponse } from 'fastify';
import type { AssetView } from '../src/assets/asset-view.ts';
import type { Caller, TestApp } from './create-test-app.ts';

export type TakenView = AssetView & { original: object; scaled: string | null };

/** Uploads a file in a form. */
export async function post(
  caller: Caller,
  url: string,
  fields: Record<string, string | Buffer>,
): Promise<LightMyRequestResponse> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    // What the part says of itself is a lie on purpose: only the content counts.
    if (typeof value === 'string') form.set(name, value);
    else form.set(name, new Blob([new Uint8Array(value)], { type: 'text/html' }), 'notes.html');
  }
  const encoded = new Response(form);
  return caller.inject({
    method: 'POST',
    url,
    headers: { 'content-type': encoded.headers.get('content-type') ?? '' },
    payload: Buffer.from(await encoded.arrayBuffer()),
  });
}

export async function upload(
  caller: Caller,
  file: Buffer,
  fields: Record<string, string> = {},
): Promise<TakenView> {
  const response = await post(caller, '/api/v1/assets', { file, ...fields });
  if (response.statusCode !== 201) throw new Error(`upload: ${response.body}`);
  return (response.json() as { data: TakenView }).data;
}

export async function contentOf(caller: Caller, asset: { url: string }): Promise<Buffer> {
  return (await caller.request('GET', asset.url)).rawPayload;
}

export function errorOf(response: LightMyRequestResponse): {
  code: string;
  message: string;
  details?: object;
} {
  return (response.json() as { error: { code: string; message: string } }).error;
}

/** What an app has left in its folder for files under way; the simulator's clips live there too. */
export async function temporaryFiles({ dataDir }: TestApp): Promise<string[]> {
  return (await readdir(join(dataDir, 'tmp'))).filter((name) => name !== 'simulator');
}
