import { appendFile, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/core/clock.ts';
import { createMedia } from '../../src/media/media.ts';
import type { Clip } from '../../src/providers/simulator/clips.ts';
import { renderClip } from '../../src/providers/simulator/render.ts';
import { createSimulatorServer } from '../../src/providers/simulator/server.ts';
import { WIRE_DIALECTS, type WireDialectName } from '../../src/providers/simulator/wire.ts';

/**
 * The counting upstream, in a process of its own that nobody kills: the simulator with its ledger, plus what only the
 * harness asks for: storms of 429, answers and downloads that take their time, and files that tell whose they are.
 *
 *   node upstream-main.ts SPEED DIALECT
 */
const [speed = '20', dialect = 'default'] = process.argv.slice(2);
const SLOW_ANSWER_MS = 1500;
const FILE_BYTES = 192 * 1024;
const PIECE_BYTES = 16 * 1024;
const PIECE_MS = 20;

const dir = await mkdtemp(join(tmpdir(), 'sora-crash-upstream-'));
const media = createMedia({ path: process.env['PATH'] ?? '' });
const rendered = new Map<string, Promise<string>>();
let stormUntil = 0;
const counts = { creates: 0, stormed: 0, reads: 0, deletes: 0, downloads: 0 };

/** One real clip for each shape; each video's own file is that clip and a box at its end that names the prompt. */
async function render(clip: Clip, outFile: string): Promise<void> {
  const shape = `${clip.width}x${clip.height}-${clip.seconds}`;
  let base = rendered.get(shape);
  if (!base) {
    const file = join(dir, `${shape}.mp4`);
    base = renderClip(media, { ...clip, prompt: 'crash test' }, file).then(() => file);
    rendered.set(shape, base);
  }
  await copyFile(await base, outFile);
  const content = Buffer.alloc(FILE_BYTES, `${clip.prompt}\n`);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(content.length + head.length);
  head.write('free', 4, 'latin1');
  await appendFile(outFile, Buffer.concat([head, content]));
}

const server = await createSimulatorServer({
  clock: systemClock,
  speed: Number(speed),
  faults: {},
  seed: 1,
  cacheDir: join(dir, 'clips'),
  maxVideos: 1_000_000,
  dialect: WIRE_DIALECTS[dialect as WireDialectName],
  render,
  onError: (error) => process.stderr.write(`${String(error)}\n`),
});

server.addHook('onRequest', async (request, reply) => {
  if (!request.url.startsWith('/v1/videos')) return;
  if (request.method === 'DELETE') counts.deletes += 1;
  else if (request.url.includes('/content')) counts.downloads += 1;
  else if (request.method === 'GET') counts.reads += 1;
  if (request.method !== 'POST') return;
  counts.creates += 1;
  if (Date.now() >= stormUntil) return;
  counts.stormed += 1;
  await reply
    .code(429)
    .header('retry-after', '1')
    .send({ error: { code: 'rate_limit_exceeded' } });
});

server.addHook('onSend', async (request, reply, payload) => {
  const { prompt } = (request.body ?? {}) as { prompt?: string };
  if (request.method === 'POST' && prompt?.includes('[slow-answer]')) await pause(SLOW_ANSWER_MS);
  const isFile = request.url.includes('/content') && reply.statusCode < 300;
  if (!isFile) return payload;
  const body = payload as Readable;
  // A reader that goes away before the first piece would otherwise leave the file open.
  return Readable.from(slowly(body)).on('close', () => void body.destroy());
});

async function* slowly(body: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of body as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      yield chunk.subarray(at, at + PIECE_BYTES);
      await pause(PIECE_MS);
    }
  }
}

server.get('/counts', () => counts);
server.post<{ Body: { ms: number } }>('/storm', (request) => {
  stormUntil = Date.now() + request.body.ms;
  return { stormUntil };
});

process.once('SIGTERM', () => {
  media.close();
  void rm(dir, { recursive: true, force: true }).then(() => process.exit(0));
});
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
const url = await server.listen({ port: 0, host: '127.0.0.1' });
process.send?.(url);
