// Makes a batch out of a table: check, create, follow, save. Usage: npx node examples/batch.ts [table.csv] [folder]
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [table = 'examples/batch.csv', folder = 'videos'] = process.argv.slice(2);
const server = process.env.SORA_URL ?? 'http://127.0.0.1:3000';
const headers = { 'x-api-key': process.env.SORA_API_KEY ?? '' };

type Job = { jobId: string; name: string | null; status: string; error: { message: string } | null };
type Batch = { batchId: string; status: string; progress: { percentage: number }; jobs: Job[] };
type Plan = { total: number; cost: { estimatedUsd: number } };

async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(`${server}${path}`, { ...init, headers: { ...headers, ...init.headers } });
  if (!response.ok) throw new Error(await response.text());
  return response;
}

async function read<Data>(response: Promise<Response>): Promise<Data> {
  return ((await (await response).json()) as { data: Data }).data;
}

const form = new FormData();
form.set('name', 'From a table');
form.set('defaults', JSON.stringify({ duration: 1, resolution: '320x180' }));
form.set('file', new File([await readFile(table)], basename(table)));

// Every row is checked first; a bad one is named by its line.
const plan = await read<Plan>(call('/api/v1/videos/batch?dryRun=true', { method: 'POST', body: form }));
console.log(`${plan.total} videos for ${plan.cost.estimatedUsd} USD`);

// Sent again with the same key, this gives the same batch and never a second one.
const key = { 'idempotency-key': crypto.randomUUID() };
const request = { method: 'POST', body: form, headers: key };
let batch = await read<Batch>(call('/api/v1/videos/batch', request));
const path = `/api/v1/batches/${batch.batchId}`;
do {
  await sleep(1000);
  batch = await read<Batch>(call(path));
  console.log(`${batch.status}, ${batch.progress.percentage} %`);
} while (batch.status === 'pending' || batch.status === 'processing');

await mkdir(folder, { recursive: true });
for (const { jobId, name, status, error } of batch.jobs) {
  if (status !== 'completed') {
    console.log(`${name}: ${status}, ${error?.message}`);
    continue;
  }
  const content = await call(`/api/v1/videos/${jobId}/content`);
  const file = join(folder, `${jobId}.mp4`);
  await writeFile(file, new Uint8Array(await content.arrayBuffer()));
  console.log(`${name}: saved ${file}`);
}
