import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../src/core/clock.ts';
import { createMedia } from '../src/media/media.ts';
import { renderClip } from '../src/providers/simulator/render.ts';
import { createSimulatorServer } from '../src/providers/simulator/server.ts';
import { readVideo, stateAt } from '../src/providers/simulator/timeline.ts';
import { WIRE_DIALECTS } from '../src/providers/simulator/wire.ts';
import type { UpstreamMessage, UpstreamOptions, UpstreamRequest } from './polling-start.ts';

/**
 * The simulator's server in a process of its own, with a clock that stands still until it is let go: however long
 * submitting takes, all videos are running then, and the moments of their ends are spread as their timeline says.
 */
const options = JSON.parse(process.argv[2] ?? '{}') as UpstreamOptions;
const heldAt = Date.now();
let releasedAt: number | undefined;
const clock = {
  ...systemClock,
  now: () => (releasedAt === undefined ? heldAt : heldAt + Date.now() - releasedAt),
};

const media = createMedia({ path: process.env['PATH'] ?? '' });
const server = await createSimulatorServer({
  clock,
  speed: options.speed,
  seed: 1,
  faults: {},
  cacheDir: options.cacheDir,
  // With a list it is the whole of the API; without, it promises nothing.
  dialect: options.lists ? WIRE_DIALECTS.default : WIRE_DIALECTS.openai,
  maxVideos: 100_000,
  render: async (clip, file) => void (await renderClip(media, clip, file)),
});

const calls = { list: 0, single: 0 };
server.addHook('onRequest', async (request) => {
  if (request.method !== 'GET') return;
  if (request.routeOptions.url === '/v1/videos') {
    calls.list += 1;
    await sleep(options.pageMs);
  }
  if (request.routeOptions.url === '/v1/videos/:id') calls.single += 1;
});
// Servers without a list do not say when to ask again either.
server.addHook('onSend', async (_request, reply) => {
  if (!options.lists) reply.removeHeader('openai-poll-after-ms');
});

async function make(count: number): Promise<string[]> {
  const payload = { model: 'simulator', prompt: 'A paper boat', seconds: '1', size: '64x64' };
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const { body } = await server.inject({ method: 'POST', url: '/v1/videos', payload });
    ids.push((JSON.parse(body) as { id: string }).id);
  }
  return ids;
}

/** When each video ended or will end, by its id, in real time. */
function ends(): [string, number][] {
  const { creations } = JSON.parse(ledger) as { creations: Record<string, unknown>[] };
  return creations.map((creation) => {
    const [width, height] = String(creation['size']).split('x').map(Number);
    const acceptedAt = Date.parse(String(creation['acceptedAt']));
    const video = readVideo({ ...creation, width, height, acceptedAt, seed: 1 });
    if (!video || releasedAt === undefined) throw new Error('there is no end to tell of');
    return [video.id, stateAt(video, 0, options.speed).endsAt - heldAt + releasedAt];
  });
}

let ledger = '';
process.on('message', (request: UpstreamRequest) => {
  void (async () => {
    if (request === 'release') releasedAt = Date.now();
    if (request === 'ends') ledger = (await server.inject({ url: '/ledger' })).body;
    if (typeof request === 'object') return tell({ calls, made: await make(request.make) });
    tell({ calls, ...(request === 'ends' ? { ends: ends() } : {}) });
  })();
});
process.once('disconnect', () => {
  media.close();
  process.exit(0);
});

function tell(message: UpstreamMessage): void {
  process.send?.(message);
}

const address = await server.listen({ host: '127.0.0.1', port: options.port });
tell({ address, calls });
