// Makes a video with the `openai` package. Usage: npx node examples/openai-sdk.ts [prompt] [file]
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';

const [prompt = 'A paper boat on a mountain lake', file = 'video.mp4'] = process.argv.slice(2);
const client = new OpenAI({
  baseURL: `${process.env.SORA_URL ?? 'http://127.0.0.1:3000'}/v1`,
  apiKey: process.env.SORA_API_KEY ?? '',
});

let video = await client.videos.create({ model: 'sora-2', prompt, seconds: '4', size: '720x1280' });
while (video.status === 'queued' || video.status === 'in_progress') {
  console.log(`${video.id} ${video.status} ${video.progress} %`);
  await sleep(1000);
  video = await client.videos.retrieve(video.id);
}
if (video.status === 'failed') throw new Error(`${video.error?.code}: ${video.error?.message}`);

const content = await client.videos.downloadContent(video.id);
await writeFile(file, new Uint8Array(await content.arrayBuffer()));
console.log(`saved ${file}`);
