import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo } from 'node:net';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { FETCH_TIMEOUT_MS } from '../src/assets/fetch-image.ts';
import type { Lookup } from '../src/core/outbound.ts';
import { errorOf, type TakenView, temporaryFiles } from './assets.ts';
import { createTestApp, type TestApp } from './create-test-app.ts';
import { picture } from './images.ts';

const ASSETS = '/api/v1/assets';

interface Site {
  port: number;
  /** What was asked of it: method, path, headers. */
  seen: { url: string; headers: NodeJS.Dict<string | string[]> }[];
}

async function listen(answer: RequestListener): Promise<Site> {
  const seen: Site['seen'] = [];
  const server = createServer((request, response) => {
    seen.push({ url: request.url ?? '', headers: request.headers });
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  return { port: (server.address() as AddressInfo).port, seen };
}

/**
 * What a public host is to a machine without a network: it passes the guard with a public address, and is answered by
 * this machine. The guard looks at each address once.
 */
function publicHost(): { address: string; family: number } {
  let looks = 0;
  return {
    get address() {
      looks += 1;
      return looks === 1 ? '93.184.216.34' : '127.0.0.1';
    },
    family: 4,
  };
}

/** `public.test` is a public host; `rebind.test` one at first, and this machine from then on; the others are private. */
function createLookup(): Lookup {
  let rebindings = 0;
  return (host, _options, done) => {
    const isPublic = host === 'public.test' || (host === 'rebind.test' && (rebindings += 1) === 1);
    if (host === 'nowhere.test') {
      return done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' }), []);
    }
    const mixed = { address: '93.184.216.34', family: 4 };
    const own = { address: '127.0.0.1', family: 4 };
    done(null, isPublic ? [publicHost()] : host === 'mixed.test' ? [mixed, own] : [own]);
  };
}

let image: Buffer;
beforeAll(async () => {
  image = await picture('png');
});

const open = (): Promise<TestApp> => createTestApp({ ASSET_ALLOW_PRIVATE: 'true' });
const guarded = (): Promise<TestApp> => createTestApp({}, undefined, { lookup: createLookup() });

async function assetCount({ admin }: TestApp): Promise<number> {
  const { pagination } = (await admin.request('GET', ASSETS)).json() as { pagination: { total: number } };
  return pagination.total;
}

test('an image is fetched from its address, with nothing of ours sent along, over redirects too', async () => {
  const app = await open();
  const site: Site = await listen((request, response) => {
    if (request.url === '/image') return void response.end(image);
    const next = Number(request.url?.slice(1)) - 1;
    response.writeHead(302, { location: next === 0 ? '/image' : `/${next}` }).end('see there');
  });
  const response = await app.admin.request('POST', ASSETS, {
    url: `http://127.0.0.1:${site.port}/3`,
    name: 'far',
  });
  expect(response.statusCode, response.body).toBe(201);
  expect((response.json() as { data: TakenView }).data).toMatchObject({
    source: 'url',
    name: 'far',
    width: 64,
  });
  expect(site.seen.map(({ url }) => url)).toEqual(['/3', '/2', '/1', '/image']);
  for (const { headers } of site.seen) {
    expect(Object.keys(headers).toSorted()).toEqual(['accept', 'connection', 'host']);
  }
  const far = await app.admin.request('POST', ASSETS, { url: `http://127.0.0.1:${site.port}/4` });
  expect(errorOf(far).message).toBe('The address of the image answered 302.');
});

test('a public address works with the guard up', async () => {
  const app = await guarded();
  const { port } = await listen((_request, response) => void response.end(image));
  const response = await app.admin.request('POST', ASSETS, { url: `http://public.test:${port}/a.png` });
  expect(response.statusCode, response.body).toBe(201);
});

const NOT_PUBLIC = /^The address of the image is not public\.$/;
const NO_ADDRESS = /^Give the image as an uploaded file, an asset id, an http\(s\) address or a data URL/;

const BAD: [address: string, mention: RegExp][] = [
  ...[
    'http://127.0.0.1:PORT/',
    'http://localhost:PORT/',
    'http://127.1:PORT/',
    'http://0:PORT/',
    'http://0.0.0.0:PORT/',
    'http://2130706433:PORT/',
    'http://0177.0.0.1:PORT/',
    'http://0x7f000001:PORT/',
    'http://0x7f.0.0.1:PORT/',
    'http://①②⑦.⓪.⓪.①:PORT/',
    'http://127.0.0.1.:PORT/',
    'http://[::1]:PORT/',
    'http://[::]:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://[::ffff:7f00:1]:PORT/',
    'http://[64:ff9b::127.0.0.1]:PORT/',
    'http://[2002:7f00:1::]:PORT/',
    'http://[fd00::1]:PORT/',
    'http://[fe80::1]:PORT/',
    'http://10.0.0.1/',
    'http://172.16.0.1/',
    'http://192.168.1.1/',
    'http://100.64.0.1/',
    'http://169.254.169.254/latest/meta-data/iam/security-credentials/',
    'https://169.254.169.254/',
    'http://127.0.0.1:PORT\\@public.test/',
    'http://inner.test:PORT/',
    'http://mixed.test:PORT/',
    // A public host that sends us elsewhere.
    'http://public.test:PORT/to?http://127.0.0.1:PORT/',
    'http://public.test:PORT/to?http://169.254.169.254/',
    'http://public.test:PORT/to?http://[::1]:PORT/',
    'http://public.test:PORT/to?http://inner.test:PORT/',
    'http://public.test:PORT/to?//2130706433:PORT/',
    'http://public.test:PORT/to?/to?http://10.0.0.1/',
    'http://public.test:PORT/to?file:///etc/passwd',
    'http://public.test:PORT/to?gopher://127.0.0.1:PORT/',
  ].map((address): [string, RegExp] => [address, NOT_PUBLIC]),
  ...[
    'file:///etc/passwd',
    'ftp://public.test/a.png',
    'gopher://127.0.0.1:PORT/',
    'javascript:1',
    'a.png',
    '',
  ].map((address): [string, RegExp] => [address, NO_ADDRESS]),
  [`http://public.test:PORT/${'a'.repeat(2048)}`, NO_ADDRESS],
  ['http://user:pass@public.test:PORT/', /must not have a user name or password/],
  ['http://1.1.1.1@127.0.0.1:PORT/', /must not have a user name or password/],
  ['http://nowhere.test/', /^The address of the image cannot be reached\.$/],
  ['http://public.test:PORT/404', /^The address of the image answered 404\.$/],
  ['http://public.test:PORT/500', /^The address of the image answered 500\.$/],
  ['http://public.test:PORT/204', /^The address of the image answered 204\.$/],
  ['http://public.test:PORT/html', /must be a JPEG, PNG or WebP/],
  ['http://public.test:PORT/cut', /cannot be reached/],
  ['http://public.test:PORT/hang-up', /cannot be reached/],
  ['http://public.test:PORT/says-large', /too large: up to 20 MiB/],
  ['http://public.test:PORT/is-large', /too large: up to 20 MiB/],
  ['https://public.test:PORT/', /cannot be reached/],
];

const SECRET = 'what only this network may read';

/** A host of many faults; `/` is what must never be asked for. */
const answerBadly: RequestListener = (request, response) => {
  const url = request.url ?? '';
  if (url.startsWith('/to?')) return void response.writeHead(302, { location: url.slice(4) }).end(SECRET);
  if (/^\/\d+$/.test(url)) return void response.writeHead(Number(url.slice(1))).end();
  switch (url) {
    case '/html':
      return void response.writeHead(200, { 'content-type': 'image/png' }).end(`<p>${SECRET}</p>`);
    case '/cut':
      response.writeHead(200, { 'content-length': '1000' }).write(image.subarray(0, 20));
      return void response.socket?.end();
    case '/hang-up':
      return void response.socket?.destroy();
    case '/says-large':
      return void response.writeHead(200, { 'content-length': String(30 * 1024 ** 2) }).write(image);
    case '/is-large':
      // Endless, and of no length that was said.
      return void sendForever(response.write.bind(response), response);
    default:
      return void response.end(image);
  }
};

function sendForever(
  write: (data: Buffer) => boolean,
  response: { once(event: 'drain', next: () => void): unknown },
) {
  while (write(Buffer.alloc(64 * 1024)));
  response.once('drain', () => sendForever(write, response));
}

test('nothing is fetched that a stranger may not make this server fetch, and the answer gives nothing away', async () => {
  const app = await guarded();
  const { port, seen } = await listen(answerBadly);
  for (const [template, mention] of BAD) {
    const url = template.replaceAll('PORT', String(port));
    for (const response of [
      await app.admin.request('POST', ASSETS, { url }),
      await app.admin.request('POST', '/api/v1/videos', { prompt: 'x', inputReference: url }),
      await app.admin.request('POST', '/v1/videos', { prompt: 'x', input_reference: { image_url: url } }),
    ]) {
      expect(response.statusCode, `${template}: ${response.body}`).toBe(400);
      const { code, message } = errorOf(response);
      expect([template, code]).toEqual([template, 'invalid_reference']);
      expect([template, message]).toEqual([template, expect.stringMatching(mention)]);
      expect(response.body).not.toMatch(
        /127\.0\.0\.1|10\.0\.0\.1|169\.254|ECONN|ENOTFOUND|stack|only this network/,
      );
    }
  }
  expect(seen.filter(({ url }) => url === '/')).toEqual([]);
  expect(await assetCount(app)).toBe(0);
  const { pagination } = (await app.admin.request('GET', '/api/v1/videos')).json() as { pagination: object };
  expect(pagination).toMatchObject({ total: 0 });
  expect(await temporaryFiles(app)).toEqual([]);
}, 120_000);

test.each(['another port', 'the very same address'])(
  'a name that leads here only when it is asked for again leads nowhere (%s)',
  async (where) => {
    const app = await guarded();
    const inner = await listen((_request, response) => void response.end(image));
    const outer = await listen((_request, response) => {
      const location = where === 'another port' ? `http://rebind.test:${inner.port}/` : '/again';
      // Closed, so that the next request asks for the name once more.
      response.writeHead(307, { location, connection: 'close' }).end();
    });
    const response = await app.admin.request('POST', ASSETS, { url: `http://rebind.test:${outer.port}/` });
    expect(errorOf(response).message).toMatch(NOT_PUBLIC);
    expect([outer.seen.length, inner.seen.length]).toEqual([1, 0]);
  },
);

test.each(['headers', 'end'])('an address that never gives its %s is given up', async (what) => {
  const app = await open();
  const { port, seen } = await listen((_request, response) => {
    if (what === 'end') response.write(image.subarray(0, 50));
  });
  const asking = app.admin.request('POST', ASSETS, { url: `http://127.0.0.1:${port}/` });
  await vi.waitUntil(() => seen.length > 0);
  await app.clock.advance(FETCH_TIMEOUT_MS);
  expect(errorOf(await asking).message).toMatch(/within 15 seconds/);
});

test.each([
  ['a key of the client', { 'idempotency-key': 'once' }],
  ['a retry of the official clients', { 'x-stainless-retry-count': '1' }],
])(
  'a repeated request is answered without fetching again, whatever is there now (%s)',
  async (_how, headers) => {
    const app = await open();
    const { port, seen } = await listen((_request, response) =>
      seen.length > 1 ? void response.writeHead(404).end() : void response.end(image),
    );
    const create = () =>
      app.admin.inject({
        method: 'POST',
        url: '/api/v1/videos',
        headers,
        payload: { prompt: 'x', inputReference: `http://127.0.0.1:${port}/a.png` },
      });
    const [first, second] = [await create(), await create()];
    expect([first.statusCode, second.statusCode, second.body]).toEqual([201, 201, first.body]);
    expect(seen.length).toBe(1);
  },
);
