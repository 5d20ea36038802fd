import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';
import { createTestApp, type TestApp } from './create-test-app.ts';

const CLIP = new URL('../src/providers/simulator/render-bundled.mp4', import.meta.url);
/** What a gateway says for a route that it has lost. */
export const PAGE = '<html><h1>404 Not Found</h1>nginx</html>';

export interface VideoServer {
  /** Ids of the videos it has taken, newest first. */
  ids: string[];
  /** Method and path with query of every call. */
  calls: string[];
  /** The status that every video shows. */
  status: string;
  /** Answers in place of the server; false: it has not. */
  instead: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
}

/** An app whose only provider is a `/v1/videos` server that a test makes behave badly, with so many videos in work there. */
export async function stageVideos(
  count: number,
  promises: object = {},
): Promise<{ app: TestApp; server: VideoServer; jobIds: string[]; env: Record<string, string> }> {
  const clip = await readFile(CLIP);
  const server: VideoServer = { ids: [], calls: [], status: 'in_progress', instead: () => false };
  const show = (id: string) => ({ id, object: 'video', status: server.status, progress: 50 });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
    server.calls.push(`${request.method} ${request.url}`);
    if (pathname.endsWith('/models')) {
      const sora_studio = { kind: 'video', ...promises };
      return json(response, 200, { data: [{ id: 'simulator', object: 'model', sora_studio }] });
    }
    if (await server.instead(request, response)) return;
    if (request.method === 'POST') {
      server.ids.unshift(`up_${server.ids.length + 1}`);
      return json(response, 200, show(server.ids[0] ?? ''));
    }
    if (pathname.endsWith('/videos')) {
      const after = searchParams.get('after');
      const from = after === null ? 0 : server.ids.indexOf(after) + 1;
      const data = server.ids.slice(from, from + 100).map(show);
      return json(response, 200, {
        data,
        has_more: from + 100 < server.ids.length,
        last_id: data.at(-1)?.id,
      });
    }
    if (pathname.endsWith('/content')) {
      const headers = { 'content-type': 'video/mp4', 'content-length': clip.length, etag: '"clip"' };
      return void response.writeHead(200, headers).end(clip);
    }
    const id = pathname.split('/').at(-1) ?? '';
    return server.ids.includes(id) ? json(response, 200, show(id)) : unknown(response);
  }

  const http = createServer((request, response) => {
    request.resume();
    request.on('end', () => void answer(request, response));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  const address = http.address();
  const env = {
    OPENAI_BASE_URL: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    OPENAI_MODELS: 'simulator',
    SIMULATOR: 'off',
    MAX_RUNNING: String(count),
  };
  const app = await createTestApp(env);
  const jobIds: string[] = [];
  const body = { model: 'simulator', resolution: '854x480', duration: 2 };
  for (let n = 0; n < count; n += 1) {
    jobIds.push((await app.admin.create({ ...body, prompt: `clip ${n}` })).jobId);
  }
  await app.app.engine.step('admission');
  await app.app.engine.step('tasks');
  return { app, server, jobIds, env };
}

export function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** As an API says that it does not know a video. */
export function unknown(response: ServerResponse): void {
  json(response, 404, { error: { code: 'not_found', message: 'No such video.' } });
}

/** How many jobs stand at each stage, the finished ones by their error or status. */
export async function standings({ db }: TestApp): Promise<Record<string, number>> {
  const rows = await db.selectFrom('jobs').select(['stage', 'status', 'error_code']).execute();
  const counts: Record<string, number> = {};
  for (const { stage, status, error_code: code } of rows) {
    const name = stage === 'finished' ? (code ?? status) : stage;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** Lets the engine do what is due, over and over, while so many minutes pass. */
export async function pass(app: TestApp, minutes: number, stepSeconds = 30): Promise<void> {
  for (let seconds = 0; seconds < minutes * 60; seconds += stepSeconds) {
    await app.clock.advance(stepSeconds * 1000);
    await app.settle();
  }
}
