// Makes several videos at once; one that fails harms no other. Usage: npx node examples/several-prompts.ts [folder]
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PROMPTS = ['A fox in fresh snow', 'Neon rain over a market', '[sim:fail] A storm that fails'];
const url = process.env.SORA_URL ?? 'http://127.0.0.1:3000';
const headers = { 'x-api-key': process.env.SORA_API_KEY ?? '', 'content-type': 'application/json' };
const [folder = 'videos'] = process.argv.slice(2);

type Job = { jobId: string; status: string; error: { message: string } | null };

async function make(prompt: string): Promise<string> {
  const body = JSON.stringify({ prompt, duration: 1, resolution: '320x180', tags: ['several'] });
  const created = await fetch(`${url}/api/v1/videos`, { method: 'POST', headers, body });
  if (!created.ok) throw new Error(await created.text());
  const address = `${url}${created.headers.get('location')}`;
  for (;;) {
    const { data: job } = (await (await fetch(address, { headers })).json()) as { data: Job };
    if (job.status === 'completed') {
      const content = await fetch(`${address}/content`, { headers });
      const file = join(folder, `${job.jobId}.mp4`);
      await writeFile(file, new Uint8Array(await content.arrayBuffer()));
      return file;
    }
    if (job.status !== 'pending' && job.status !== 'processing') throw new Error(job.error?.message);
    await sleep(1000);
  }
}

await mkdir(folder, { recursive: true });
const results = await Promise.allSettled(PROMPTS.map(make));
for (const [index, result] of results.entries())
  console.log(PROMPTS[index], '→', result.status === 'fulfilled' ? result.value : `failed: ${result.reason}`);
