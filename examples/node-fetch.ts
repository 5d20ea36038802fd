// Makes a video with nothing but Node: create, poll, save. Usage: npx node examples/node-fetch.ts [prompt] [file]
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const url = process.env.SORA_URL ?? 'http://127.0.0.1:3000';
const key = process.env.SORA_API_KEY ?? '';
const [prompt = 'A paper boat on a mountain lake', file = 'video.mp4'] = process.argv.slice(2);

interface Job {
  jobId: string;
  status: string;
  progress: number;
  error: { code: string; message: string } | null;
  result: { videoUrl: string } | null;
}

async function call(path: string, init: RequestInit = {}): Promise<Job> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const response = await fetch(new URL(path, url), { ...init, headers });
  const body = (await response.json()) as { data: Job; error?: { code: string; message: string } };
  if (body.error) throw new Error(`${body.error.code}: ${body.error.message}`);
  return body.data;
}

const body = JSON.stringify({ prompt, duration: 2, resolution: '320x180' });
let job = await call('/api/v1/videos', { method: 'POST', body });
while (job.status === 'pending' || job.status === 'processing') {
  console.log(`${job.jobId} ${job.status} ${job.progress} %`);
  await sleep(1000);
  job = await call(`/api/v1/videos/${job.jobId}`);
}
if (!job.result) throw new Error(`${job.status}: ${job.error?.message ?? 'no reason given'}`);

const content = await fetch(new URL(job.result.videoUrl, url), {
  headers: { authorization: `Bearer ${key}` },
});
await writeFile(file, new Uint8Array(await content.arrayBuffer()));
console.log(`saved ${file}`);
