import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { onTestFinished } from 'vitest';

/** What a model's entry in `/v1/models` promises: the server is a Sora Studio as far as that goes. */
export type UpstreamPromises = Record<string, unknown>;

/** A video that the upstream has made. */
export interface MadeVideo {
  id: string;
  prompt: string;
  /** In ms, by the clock that the test gives the upstream. */
  at: number;
  status: string;
  /** Of the picture that it was made from; empty when there was none. */
  picture: string;
  key: string | undefined;
  metadata: unknown;
  stops: number;
}

export interface UpstreamOptions {
  promises?: UpstreamPromises;
  /** Every call is answered 503. */
  isDown?: boolean;
  /** Called before a create is answered; `made` is undefined when it was not taken. Returning true: it has answered. */
  onCreate?: (
    call: number,
    response: ServerResponse,
    take: () => MadeVideo,
  ) => boolean | void | Promise<boolean | void>;
  /** How the list shows a video; as it is told of otherwise when left out. */
  show?: (video: MadeVideo, told: Record<string, unknown>) => Record<string, unknown>;
}

export interface Upstream {
  url: string;
  made: MadeVideo[];
  creates: () => number;
  /** Its clock: give it the app's. */
  now: () => number;
  options: UpstreamOptions;
}

/** An upstream of the test's own making, for one model named `simulator`. */
export async function startUpstream(options: UpstreamOptions = {}): Promise<Upstream> {
  let creates = 0;
  const upstream: Upstream = { url: '', made: [], creates: () => creates, now: () => 0, options };

  async function create(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    creates += 1;
    const fields = readFields(request, body);
    const take = () => {
      const video: MadeVideo = {
        id: `up_${upstream.made.length + 1}`,
        prompt: String(fields.prompt),
        at: upstream.now(),
        status: 'in_progress',
        picture: fields.picture,
        key: request.headers['idempotency-key']?.toString(),
        metadata: fields.metadata,
        stops: 0,
      };
      upstream.made.unshift(video);
      return video;
    };
    if (await options.onCreate?.(creates, response, take)) return;
    if (!response.headersSent && !response.destroyed) answer(response, 200, toldOf(take()));
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => {});
    request.on('end', () => {
      const url = new URL(request.url ?? '', 'http://upstream');
      if (options.isDown) return answer(response, 503, { error: { message: 'down' } });
      if (url.pathname === '/v1/models') return answer(response, 200, modelsOf(options.promises ?? {}));
      if (request.method === 'POST')
        return void create(request, response, Buffer.concat(chunks).toString('latin1'));
      if (url.pathname === '/v1/videos') {
        const show = (video: MadeVideo) => options.show?.(video, toldOf(video)) ?? toldOf(video);
        const data = upstream.made.map(show);
        response.setHeader('date', new Date(upstream.now()).toUTCString());
        return answer(response, 200, { object: 'list', data, has_more: false });
      }
      const video = upstream.made.find(({ id }) => url.pathname === `/v1/videos/${id}`);
      if (!video) return answer(response, 404, { error: { message: 'no such video' } });
      if (request.method === 'DELETE') {
        video.stops += 1;
        video.status = 'cancelled';
      }
      answer(response, 200, toldOf(video));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  upstream.url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  return upstream;
}

/** A JSON answer. */
export function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function modelsOf(promises: UpstreamPromises) {
  return {
    object: 'list',
    data: [{ id: 'simulator', object: 'model', sora_studio: { kind: 'video', ...promises } }],
  };
}

function toldOf({ id, prompt, at, status, metadata }: MadeVideo): Record<string, unknown> {
  return {
    id,
    object: 'video',
    status,
    progress: 5,
    prompt,
    created_at: Math.floor(at / 1000),
    model: 'simulator',
    size: '854x480',
    seconds: '3',
    ...(metadata === undefined ? {} : { metadata }),
  };
}

/** The fields of a JSON or multipart body, read as latin1; UTF-8 text comes out whole. */
function readFields(
  request: IncomingMessage,
  body: string,
): { prompt: unknown; picture: string; metadata: unknown } {
  const hash = (text: string) => createHash('sha256').update(text, 'latin1').digest('hex');
  if (!request.headers['content-type']?.startsWith('multipart/')) {
    const json = JSON.parse(Buffer.from(body, 'latin1').toString('utf8')) as Record<string, unknown>;
    const reference =
      json['input_reference'] === undefined ? '' : hash(JSON.stringify(json['input_reference']));
    return { prompt: json['prompt'], picture: reference, metadata: json['metadata'] };
  }
  const field = (name: string) =>
    new RegExp(
      `name="${name}"(?:; filename="[^"]*")?\\r\\n(?:[^\\r\\n]+\\r\\n)*\\r\\n([\\s\\S]*?)\\r\\n--`,
    ).exec(body)?.[1];
  const utf8 = (text: string | undefined) => text && Buffer.from(text, 'latin1').toString('utf8');
  const metadata = utf8(field('metadata'));
  return {
    prompt: utf8(field('prompt')),
    picture: hash(field('input_reference') ?? ''),
    metadata: metadata === undefined ? undefined : JSON.parse(metadata),
  };
}
