import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { type Account, createAccount, page, show, stop, take } from './account.ts';
import { openFiles } from './files.ts';
import { type Rules, USUAL_RULES } from './rules.ts';
import { readWish } from './wish.ts';

/**
 * A provider that counts and does exactly what its rules say, in a process of its own that is never killed. Each
 * account (`/NAME/v1/videos`) has its own rules and videos. It writes idempotency keys down and ignores them.
 *
 *   node provider-main.ts '{"NAME": {…rules}}'
 */
const given = JSON.parse(process.argv[2] ?? '{}') as Record<string, Partial<Rules>>;
const accounts = new Map<string, Account>();
for (const [name, rules] of Object.entries(given))
  accounts.set(name, createAccount(name, { ...USUAL_RULES, ...rules }));
const files = await openFiles();

const PAGE = '<html><head><title>404 Not Found</title></head><body>nginx</body></html>';

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function missing(response: ServerResponse, kind: '404-html' | '404-json'): void {
  if (kind === '404-json')
    return json(response, 404, { error: { code: 'not_found', message: 'No such video.' } });
  response.writeHead(404, { 'content-type': 'text/html' }).end(PAGE);
}

async function create(account: Account, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await buffer(request);
  const wish = await readWish(body, request.headers['content-type'] ?? '');
  const { act, video } = take(account, wish, String(request.headers['idempotency-key'] ?? ''));
  await pause(act.ms ?? 0);
  if (act.do !== 'take' || !video) request.socket.destroy();
  else json(response, 200, show(account, video));
}

async function list(account: Account, url: URL, response: ServerResponse): Promise<void> {
  const limit = Number(url.searchParams.get('limit') ?? 20);
  const body = page(account, limit, url.searchParams.get('after'));
  await pause(account.rules.pageMs);
  json(response, 200, body);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://provider');
  const [, name = '', , what, id, content] = url.pathname.split('/');
  const account = accounts.get(name);
  if (!account) return control(url, request, response);
  const { rules } = account;
  if (what === 'models')
    return rules.promises
      ? json(response, 200, { object: 'list', data: [{ id: 'simulator', sora_studio: rules.promises }] })
      : missing(response, '404-json');
  if (request.method === 'POST') return create(account, request, response);
  const wrong = content ? rules.contents : rules.statuses;
  if (wrong !== 'right') return missing(response, wrong);
  if (!content && Math.random() < rules.unavailable)
    return json(response, 503, { error: { message: 'Busy.' } });
  if (!id) return list(account, url, response);
  const video = account.videos.find((each) => each.id === decodeURIComponent(id));
  if (!video) return missing(response, '404-json');
  if (content) return files.send(video, rules, request, response);
  if (request.method === 'DELETE') stop(video);
  return json(response, 200, show(account, video));
}

/** What only the harness asks for. */
async function control(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const all = [...accounts.values()];
  if (url.pathname === '/rules') {
    const changes = JSON.parse((await buffer(request)).toString('utf8')) as Partial<Rules>;
    for (const account of all) Object.assign(account.rules, changes);
    return json(response, 200, {});
  }
  const videos = all.flatMap((account) => account.videos);
  const hashes = url.searchParams.has('files')
    ? await Promise.all(videos.map(async (video) => [video.id, await files.hashesOf(video)] as const))
    : [];
  json(response, 200, {
    calls: all.flatMap((account) => account.calls),
    videos,
    files: Object.fromEntries(hashes),
  });
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    response.destroy();
  });
});
process.once('SIGTERM', () => void files.remove().then(() => process.exit(0)));
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`);
});
