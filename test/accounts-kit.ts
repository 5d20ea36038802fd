import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import type { TestApp } from './create-test-app.ts';

/** A browser: it keeps cookies, and names the page it is on as the origin of what it sends. */
export interface Browser {
  /** An `origin` of '' sends none. */
  send(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    body?: object,
    headers?: Record<string, string>,
  ): Promise<LightMyRequestResponse>;
  /** What the answer is about; fails the test when it was refused. */
  data<Data = Record<string, unknown>>(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    body?: object,
  ): Promise<Data>;
  cookies: Map<string, string>;
}

export const HOST = 'studio.test';
export const PUBLIC_URL = `http://${HOST}`;
export const PASSWORD = 'correct horse battery';

export function createBrowser(
  { app }: Pick<TestApp, 'app'>,
  { address = '192.0.2.10', host = HOST }: { address?: string; host?: string } = {},
): Browser {
  const cookies = new Map<string, string>();
  const self: Browser = {
    cookies,
    async send(method, url, body, extra = {}) {
      const { origin = `http://${host}`, ...headers } = extra;
      const cookie = Array.from(cookies, ([name, value]) => `${name}=${value}`).join('; ');
      const options: InjectOptions = {
        method,
        url: url.startsWith('/') ? url : `/api/v1/${url}`,
        remoteAddress: address,
        headers: {
          host,
          'user-agent': 'test browser',
          ...(method === 'GET' || origin === '' ? {} : { origin }),
          ...(cookie === '' ? {} : { cookie }),
          ...headers,
        },
        ...(body ? { payload: body } : {}),
      };
      const response = await app.server.inject(options);
      for (const { name, value, maxAge } of response.cookies as {
        name: string;
        value: string;
        maxAge?: number;
      }[])
        if (value === '' || maxAge === 0) cookies.delete(name);
        else cookies.set(name, encodeURIComponent(value));
      return response;
    },
    async data(method, url, body) {
      const response = await self.send(method, url, body);
      if (response.statusCode >= 300)
        throw new Error(`${method} ${url}: ${response.statusCode} ${response.body}`);
      return (response.json() as { data: never }).data;
    },
  };
  return self;
}

/** Becomes the first admin, at the machine itself. */
export async function firstAdmin(studio: TestApp): Promise<Browser> {
  const browser = createBrowser(studio, { address: '127.0.0.1', host: 'localhost' });
  await browser.data('POST', 'auth/first-admin', {
    name: 'Ada',
    email: 'ada@example.com',
    password: PASSWORD,
  });
  return browser;
}

/** Somebody whom the admin invited, signed in. */
export async function person(studio: TestApp, admin: Browser, email: string): Promise<Browser> {
  const browser = createBrowser(studio);
  await browser.data('POST', 'auth/sign-up/accept', {
    token: await invitation(admin, email),
    name: email.split('@')[0],
    password: PASSWORD,
  });
  return browser;
}

export async function invitation(admin: Browser, email: string): Promise<string> {
  const { link } = await admin.data<{ link: string }>('POST', 'auth/invitations', { email });
  return tokenOf(link);
}

export function tokenOf(text: string): string {
  const token = /#token=([\w-]+)/.exec(text)?.[1];
  if (token === undefined) throw new Error(`no token in ${text}`);
  return token;
}

export const codeOf = (response: LightMyRequestResponse) =>
  (response.json() as { error?: { code: string } }).error?.code;

/** Goes to a provider and comes back, as a browser does; returns where it ends up. */
export async function signInAt(
  browser: Browser,
  provider: string,
  {
    returnTo = '/library',
    there = () => {},
    back = (url: URL) => url,
  }: {
    returnTo?: string;
    /** Before the provider is asked. */
    there?: (url: URL) => void;
    /** Changes the address that the provider sends the browser back to. */
    back?: ((url: URL) => URL) | undefined;
  } = {},
): Promise<URL> {
  const { url } = await browser.data<{ url: string }>('POST', 'auth/sign-in/provider', {
    provider,
    returnTo,
  });
  there(new URL(url));
  const answer = await fetch(url, { redirect: 'manual' });
  const { origin, pathname, search } = back(new URL(answer.headers.get('location') ?? ''));
  const own = `${PUBLIC_URL}/api/v1/auth/callback/${provider}`;
  if (`${origin}${pathname}` !== own)
    throw new Error(`the provider sent the browser to ${origin}${pathname}`);
  const response = await browser.send('GET', `${pathname}${search}`);
  if (response.statusCode !== 302) throw new Error(`the callback answered ${response.statusCode}`);
  return new URL(response.headers.location ?? '');
}

/** Who is signed in, as the browser is told; null: nobody. */
export async function whoIs(browser: Browser): Promise<object | null> {
  return (await browser.data<{ me: object | null }>('GET', 'auth/session')).me;
}
