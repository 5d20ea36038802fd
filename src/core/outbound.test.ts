import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createOutbound, type Lookup, type OutboundRequest } from './outbound.ts';

const configured: OutboundRequest = { timeoutMs: 5000, trust: 'configured' };
const untrusted: OutboundRequest = { timeoutMs: 5000, trust: 'untrusted' };

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

describe('outbound', () => {
  const servers: Server[] = [];
  let outbound: ReturnType<typeof createOutbound>;
  beforeEach(() => void (outbound = createOutbound()));
  afterEach(async () => {
    await outbound.close();
    for (const server of servers.splice(0)) server.close().closeAllConnections();
  });

  async function listen(handler: Handler): Promise<{ url: string; port: number; seen: IncomingMessage[] }> {
    const seen: IncomingMessage[] = [];
    const server = createServer((request, response) => {
      seen.push(request);
      handler(request, response);
    });
    servers.push(server);
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}`, port, seen };
  }

  const ok: Handler = (_request, response) => void response.end('hello');
  const to =
    (location: string, status = 302): Handler =>
    (_request, response) =>
      void response.writeHead(status, { location }).end('elsewhere');

  it('reaches a configured private address and gives status, headers and body', async () => {
    const { url, seen } = await listen(
      (_request, response) => void response.writeHead(418, { 'x-a': 'b' }).end('tea'),
    );
    const answer = await outbound(url, { ...configured, method: 'POST', body: 'x', headers: { 'x-c': 'd' } });
    expect([answer.status, answer.headers['x-a'], await text(answer.body)]).toEqual([418, 'b', 'tea']);
    expect([seen[0]?.method, seen[0]?.headers['x-c']]).toEqual(['POST', 'd']);
  });

  describe('with an untrusted address', () => {
    it.each([
      'http://127.0.0.1:PORT/',
      'http://localhost:PORT/',
      'http://LOCALHOST:PORT/',
      'http://127.1:PORT/',
      'http://0:PORT/',
      'http://0x7f000001:PORT/',
      'http://2130706433:PORT/',
      'http://0177.0.0.1:PORT/',
      'http://0x7f.0.0.1:PORT/',
      'http://127.0.0.1.:PORT/',
      'http://[::ffff:127.0.0.1]:PORT/',
      'http://[::1]:PORT/',
      'http://[::]:PORT/',
      'http://[::ffff:7f00:1]:PORT/',
      'http://user:pass@127.0.0.1:PORT/',
      'http://①②⑦.⓪.⓪.①:PORT/',
      'http://0.0.0.0:PORT/',
      'http://1.1.1.1@127.0.0.1:PORT/',
      'http://127.0.0.1:PORT\\@1.1.1.1/',
      'http:127.0.0.1:PORT/',
      '//127.0.0.1:PORT/',
      'http://169.254.169.254/latest/meta-data/',
      'http://[fd00:ec2::254]/',
      'http://10.0.0.1/',
      'http://192.168.1.1/',
      'http://[64:ff9b::7f00:1]/',
      'http://[2002:7f00:1::]/',
      'http://100.100.100.200/',
      'file:///etc/passwd',
      'ftp://1.1.1.1/',
      'gopher://127.0.0.1:PORT/',
      'data:text/plain,x',
      'javascript:1',
      'not a url',
      '',
    ])('does not go to %s', async (address) => {
      const { port, seen } = await listen(ok);
      const call = outbound(address.replace('PORT', String(port)), untrusted);
      await expect(call).rejects.toMatchObject({ failure: 'not_sent' });
      expect(seen).toEqual([]);
    });

    it('does not go to a name that leads to a private address, not even the second time it is asked', async () => {
      const { port, seen } = await listen(ok);
      let asked = 0;
      const answers = [['93.184.216.34', '127.0.0.1'], ['127.0.0.1'], ['::ffff:127.0.0.1'], []];
      const lookup: Lookup = (_host, _options, done) => {
        const addresses = answers[asked++ % answers.length] ?? [];
        done(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        );
      };
      const rebinding = createOutbound({ lookup });
      for (const _ of answers) {
        await expect(rebinding(`http://rebind.test:${port}/`, untrusted)).rejects.toMatchObject({
          code: 'blocked_address',
          failure: 'not_sent',
        });
      }
      expect([asked, seen]).toEqual([answers.length, []]);
      await rebinding.close();
    });

    it('goes there when private addresses are allowed', async () => {
      const { url } = await listen(ok);
      const open = createOutbound({ allowPrivate: true });
      expect(await text((await open(url, untrusted)).body)).toBe('hello');
      await open.close();
    });
  });

  describe('on a redirect', () => {
    it('gives the redirect itself unless told to follow', async () => {
      const { url } = await listen(to('/elsewhere'));
      const answer = await outbound(url, configured);
      expect([answer.status, answer.headers.location]).toEqual([302, '/elsewhere']);
      answer.body.destroy();
    });

    it('follows within the origin with all headers, as often as allowed', async () => {
      let left = 2;
      const { url, seen } = await listen((request, response) =>
        (left-- > 0 ? to('/next') : ok)(request, response),
      );
      const headers = { authorization: 'Bearer k' };
      const call = { ...configured, headers, originHeaders: ['authorization'], maxRedirects: 2 };
      expect(await text((await outbound(url, call)).body)).toBe('hello');
      expect(seen.map((request) => request.headers.authorization)).toEqual([
        'Bearer k',
        'Bearer k',
        'Bearer k',
      ]);
      left = 3;
      const tooMany = await outbound(url, call);
      expect(tooMany.status).toBe(302);
      tooMany.body.destroy();
    });

    it('treats another origin as untrusted', async () => {
      const inner = await listen(ok);
      for (const status of [301, 302, 303, 307, 308]) {
        const { url } = await listen(to(inner.url, status));
        const call = outbound(url, { ...configured, maxRedirects: 3 });
        await expect(call).rejects.toMatchObject({ code: 'blocked_address' });
      }
      expect(inner.seen).toEqual([]);
    });

    it('leaves credentials behind when it leaves the origin, and does not take them up again', async () => {
      const open = createOutbound({ allowPrivate: true });
      const outer: { url: string } = { url: '' };
      const inner = await listen((request, response) =>
        (request.url === '/' ? to(`${outer.url}/back`) : ok)(request, response),
      );
      const first = await listen((request, response) =>
        (request.url === '/' ? to(`${inner.url}/`) : ok)(request, response),
      );
      outer.url = first.url;
      const headers = { Authorization: 'Bearer k', accept: 'x' };
      const answer = await open(first.url, {
        ...configured,
        headers,
        originHeaders: ['authorization'],
        maxRedirects: 3,
      });
      expect(await text(answer.body)).toBe('hello');
      const sent = [first.seen[0], inner.seen[0], first.seen[1]].map((request) => request?.headers);
      expect(sent.map((each) => each?.authorization)).toEqual(['Bearer k', undefined, undefined]);
      expect(sent.map((each) => each?.accept)).toEqual(['x', 'x', 'x']);
      await open.close();
    });

    it('never sends a body anywhere else', async () => {
      const inner = await listen(ok);
      const { url } = await listen(to(inner.url, 307));
      const open = createOutbound({ allowPrivate: true });
      const answer = await open(url, { ...configured, method: 'POST', body: 'paid', maxRedirects: 3 });
      expect([answer.status, inner.seen]).toEqual([307, []]);
      answer.body.destroy();
      await open.close();
    });

    it('refuses a location that is no address', async () => {
      const { url } = await listen(to('http://[broken'));
      await expect(outbound(url, { ...configured, maxRedirects: 1 })).rejects.toMatchObject({
        code: 'ERR_INVALID_URL',
      });
    });
  });

  describe('tells what surely was not sent from what may have been', () => {
    it('refused, unknown host, not TLS: not sent', async () => {
      const { port } = await listen(ok);
      const closed = await listen(ok);
      servers.at(-1)?.close();
      const lookup: Lookup = (host, _options, done) =>
        done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' }), []);
      const lost = createOutbound({ lookup });
      await expect(outbound(closed.url, configured)).rejects.toMatchObject({
        failure: 'not_sent',
        code: 'ECONNREFUSED',
      });
      await expect(lost('http://nowhere.test/', configured)).rejects.toMatchObject({
        failure: 'not_sent',
        code: 'ENOTFOUND',
      });
      await expect(outbound(`https://127.0.0.1:${port}/`, configured)).rejects.toMatchObject({
        failure: 'not_sent',
      });
      await lost.close();
    });

    it('a connection that breaks off without an answer: ambiguous', async () => {
      const { url } = await listen((request) => void request.socket.destroy());
      await expect(outbound(url, { ...configured, method: 'POST', body: 'x' })).rejects.toMatchObject({
        failure: 'ambiguous',
      });
    });

    it('an answer that is no HTTP: ambiguous', async () => {
      const server = createTcpServer((socket) => void socket.on('error', () => {}).end('what?\r\n\r\n'));
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      await expect(outbound(`http://127.0.0.1:${port}/`, configured)).rejects.toMatchObject({
        failure: 'ambiguous',
      });
      server.close();
    });

    it('given up while waiting: ambiguous', async () => {
      const giveUp = new AbortController();
      const { url } = await listen(() => giveUp.abort());
      await expect(outbound(url, { ...configured, signal: giveUp.signal })).rejects.toMatchObject({
        failure: 'ambiguous',
      });
    });

    it('a body that breaks off errors', async () => {
      const { url } = await listen((_request, response) => {
        response.writeHead(200, { 'content-length': '1000' }).write('half');
        response.socket?.end();
      });
      const answer = await outbound(url, configured);
      await expect(text(answer.body)).rejects.toThrow();
    });
  });

  it('may be left unread without harm', async () => {
    const { url } = await listen((_request, response) => void response.end('x'.repeat(1_000_000)));
    const answer = await outbound(url, configured);
    answer.body.destroy();
    expect(answer.body.destroyed).toBe(true);
  });

  it('uses a new connection where asked to, and an idle one otherwise', async () => {
    const { url, seen } = await listen(ok);
    const sockets = () => new Set(seen.map((request) => request.socket)).size;
    for (let n = 0; n < 10; n += 1) {
      await text((await outbound(url, configured)).body);
      await new Promise(setImmediate);
    }
    const reused = sockets();
    expect(reused).toBeLessThan(10);
    for (const _ of [1, 2]) await text((await outbound(url, { ...configured, freshConnection: true })).body);
    expect(sockets()).toBe(reused + 2);
  });
});

async function text(body: Readable): Promise<string> {
  let all = '';
  for await (const chunk of body) all += String(chunk);
  return all;
}
