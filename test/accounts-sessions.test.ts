import { describe, expect, test } from 'vitest';
import {
  type Browser,
  codeOf,
  createBrowser,
  firstAdmin,
  PASSWORD,
  person,
  PUBLIC_URL,
} from './accounts-kit.ts';
import { createTestApp, useTestApp } from './create-test-app.ts';

const shared = useTestApp({ PUBLIC_URL, TRUST_PROXY: 'loopback' });
let made: Promise<Awaited<ReturnType<typeof firstAdmin>>> | undefined;
const admin = () => (made ??= firstAdmin(shared()));
let count = 0;
const fresh = () => `person-${(count += 1)}@example.com`;
const somebody = async (email = fresh()) => person(shared(), await admin(), email);
const signIn = (browser: Browser, email: string, password = PASSWORD) =>
  browser.send('POST', 'auth/sign-in', { email, password });

describe('sessions', () => {
  test('the cookie is out of reach of scripts and other sites, and kept as a hash', async () => {
    const email = fresh();
    await somebody(email);
    const browser = createBrowser(shared());
    const response = await signIn(browser, email);
    expect(response.headers['set-cookie']).toEqual([
      expect.stringMatching(/^sora\.session_token=[^;]+; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax$/),
    ]);
    const [token = ''] = decodeURIComponent([...browser.cookies.values()][0] ?? '').split('.');
    expect(token.length).toBeGreaterThan(20);
    const kept = JSON.stringify(await shared().db.selectFrom('sessions').selectAll().execute());
    expect(kept).not.toContain(token);
    expect(JSON.stringify(await shared().db.selectFrom('accounts').selectAll().execute())).not.toContain(
      PASSWORD,
    );
  });

  test('a cookie that was changed, or signed by somebody else, is nobody’s', async () => {
    const browser = await somebody();
    const [[name, value] = ['', '']] = [...browser.cookies];
    for (const wrong of [
      `${value}x`,
      value.slice(2),
      'x',
      '%',
      value.split('.')[0] ?? '',
      `${value.split('.')[0]}.`,
    ]) {
      browser.cookies.set(name, wrong);
      const response = await browser.send('GET', 'videos');
      expect([wrong, response.statusCode]).toEqual([wrong, 401]);
    }
    browser.cookies.set(name, value);
    expect((await browser.send('GET', 'videos')).statusCode).toBe(200);
  });

  test('they are listed, ended one by one or all others, and at once', async () => {
    const email = fresh();
    const first = await somebody(email);
    const others = [createBrowser(shared()), createBrowser(shared()), createBrowser(shared())] as const;
    for (const other of others) await signIn(other, email);
    for (const other of others) expect((await other.send('GET', 'videos')).statusCode).toBe(200);
    const list = await first.data<{ sessionId: string; current: boolean }[]>('GET', 'auth/sessions');
    expect(list).toHaveLength(4);
    expect(list[0]).toMatchObject({ current: false, address: '192.0.2.10', userAgent: 'test browser' });
    const { me } = await others[0].data<{ me: { sessionId: string } }>('GET', 'auth/session');
    // Not another's.
    const stranger = await somebody();
    const refused = await stranger.send('DELETE', `auth/sessions/${me.sessionId}`);
    expect([refused.statusCode, codeOf(refused)]).toEqual([404, 'session_not_found']);
    expect(await first.data('DELETE', `auth/sessions/${me.sessionId}`)).toEqual({ ended: 1 });
    expect((await others[0].send('GET', 'videos')).statusCode).toBe(401);
    expect(await first.data('DELETE', 'auth/sessions')).toEqual({ ended: 2 });
    for (const other of others) expect((await other.send('GET', 'videos')).statusCode).toBe(401);
    expect((await first.send('GET', 'videos')).statusCode).toBe(200);
    await first.data('POST', 'auth/sign-out');
    expect(first.cookies.size).toBe(0);
    expect((await first.send('GET', 'videos')).statusCode).toBe(401);
  });

  test('a stolen copy of the cookie is worth nothing after signing out', async () => {
    const browser = await somebody();
    const copy = createBrowser(shared());
    for (const [name, value] of browser.cookies) copy.cookies.set(name, value);
    expect((await copy.send('GET', 'videos')).statusCode).toBe(200);
    await browser.data('POST', 'auth/sign-out');
    expect((await copy.send('GET', 'videos')).statusCode).toBe(401);
  });

  test('who is locked out or demoted elsewhere loses power by the notification', async () => {
    const { db } = shared();
    const browser = await somebody();
    const { me } = await browser.data<{ me: { user: { userId: string } } }>('GET', 'auth/session');
    const change = (set: object) =>
      db.updateTable('users').set(set).where('id', '=', me.user.userId).execute();
    const status = async (url: string) => (await browser.send('GET', url)).statusCode;
    await change({ role: 'admin' });
    await expect.poll(() => status('admin/jobs/doubtful')).toBe(200);
    await change({ role: 'user' });
    await expect.poll(() => status('admin/jobs/doubtful')).toBe(403);
    expect(await status('videos')).toBe(200);
    await change({ disabled_at: new Date() });
    await expect.poll(() => status('videos')).toBe(401);
  });

  test('a session ends when its time is over, and a look costs no query for a second', async () => {
    const studio = await createTestApp();
    const browser = await firstAdmin(studio);
    await browser.data('GET', 'videos');
    // Nothing tells this process of it: the trigger is off.
    await studio.db.transaction().execute(async (tx) => {
      const { sql } = await import('kysely');
      await sql`alter table sessions disable trigger sessions_changed`.execute(tx);
      await tx
        .updateTable('sessions')
        .set({ expires_at: new Date(0) })
        .execute();
    });
    expect((await browser.send('GET', 'videos')).statusCode).toBe(200);
    await studio.clock.advance(1000);
    expect((await browser.send('GET', 'videos')).statusCode).toBe(401);
  });

  test('keys cannot do what concerns the person', async () => {
    for (const [method, url] of [
      ['GET', 'auth/sessions'],
      ['DELETE', 'auth/sessions'],
      ['DELETE', 'auth/sessions/x'],
    ] as const) {
      const response = await shared().admin.request(method, `/api/v1/${url}`);
      expect([url, response.statusCode, codeOf(response)]).toEqual([url, 403, 'session_required']);
    }
  });
});

describe('requests that another site made a browser send', () => {
  const FOREIGN: [string, Record<string, string>][] = [
    ['another origin', { origin: 'https://evil.example' }],
    ['this host on another port', { origin: `${PUBLIC_URL}:8080` }],
    ['no origin to speak of', { origin: 'null' }],
    ['an origin of another kind', { origin: 'file://studio.test' }],
    ['a subdomain', { origin: 'http://x.studio.test' }],
    ['another site, by the browser’s word', { origin: '', 'sec-fetch-site': 'cross-site' }],
    ['neither origin nor site', { origin: '' }],
  ];

  test('nothing is changed with the cookie', async () => {
    const browser = await somebody();
    for (const [what, headers] of FOREIGN) {
      for (const [url, body] of [
        ['videos', { prompt: 'x' }],
        ['/v1/videos', { prompt: 'x' }],
        ['teams', { name: 'x' }],
        ['auth/sign-out', undefined],
        ['auth/switch', { teamId: null }],
        ['auth/sign-in', { email: 'ada@example.com', password: PASSWORD }],
        ['auth/password/forgot', { email: 'ada@example.com' }],
      ] as const) {
        const response = await browser.send('POST', url, body, headers);
        expect([what, url, response.statusCode, codeOf(response)]).toEqual([
          what,
          url,
          403,
          'foreign_origin',
        ]);
      }
    }
    expect(await browser.data('GET', 'videos')).toEqual([]);
    expect(await browser.data('GET', 'teams')).toEqual([]);
  });

  test('the page itself may, and a key may from anywhere', async () => {
    const browser = await somebody();
    const ways = [{}, { origin: '', 'sec-fetch-site': 'same-origin' }, { host: 'inner:3000' }];
    for (const headers of ways) {
      const response = await browser.send(
        'POST',
        'auth/switch',
        { teamId: null },
        headers as unknown as Record<string, string>,
      );
      expect([headers, response.statusCode]).toEqual([headers, 200]);
    }
    const inject = { method: 'POST', url: '/api/v1/collections', payload: { name: 'x' } } as const;
    const headers = { origin: 'https://evil.example' };
    expect((await shared().admin.inject({ ...inject, headers })).statusCode).toBe(201);
  });
});
