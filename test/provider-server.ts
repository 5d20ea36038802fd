import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';

/** Answers like `/v1/models` of another Sora Studio with one model. */
const MODELS = {
  object: 'list',
  data: [{ id: 'simulator', object: 'model', sora_studio: { kind: 'video' } }],
};

/** Settings with which an app has this server's model as its only one. */
export function only(url: string): Record<string, string> {
  return { OPENAI_BASE_URL: url, OPENAI_MODELS: 'simulator', SIMULATOR: 'off' };
}

/** A provider whose answers the test decides on; it stops with the test. `create` is given the number of the call. */
export async function serveProvider(answers: {
  create: (call: number) => Promise<object> | object;
  get?: (path: string) => object | undefined;
}): Promise<{ url: string; creates: () => number }> {
  let creates = 0;
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    if (request.method === 'POST') return answer(response, await answers.create((creates += 1)));
    if (path.includes('/models')) return answer(response, MODELS);
    answer(response, answers.get?.(path));
  }
  const server = createServer((request, response) => {
    request.resume().on('end', () => void handle(request, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return { url: `http://127.0.0.1:${port}`, creates: () => creates };
}

function answer(response: ServerResponse, body: object | undefined): void {
  response.writeHead(body ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body ?? { error: { message: 'there is none' } }));
}
