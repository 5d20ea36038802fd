import { expect, test } from 'vitest';
import { createTestApp, useTestApp } from '../create-test-app.ts';

const shared = useTestApp();

/** Every route of the server that is not open to everybody, from the server itself: new ones are covered by being there. */
function guardedRoutes(): { method: string; url: string }[] {
  const document = shared().app.server.swagger() as {
    paths: Record<string, Record<string, { security?: unknown }>>;
  };
  return Object.entries(document.paths).flatMap(([url, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => operation.security !== undefined)
      .map(([method]) => ({ method: method.toUpperCase(), url: url.replaceAll(/\{[^}]+\}/g, 'video_x') })),
  );
}

const OPEN = new Set([
  '/',
  '/health',
  '/ready',
  '/metrics',
  '/openapi.json',
  // Where one becomes somebody.
  ...[
    'session',
    'first-admin',
    'sign-up',
    'sign-up/accept',
    'sign-in',
    'sign-in/provider',
    'sign-out',
    'callback/{provider}',
    'providers',
    'password/forgot',
    'password/reset',
  ].map((path) => `/api/v1/auth/${path}`),
]);
/** What names people and teams, not videos; their own tests cover it. */
const PEOPLE = /^\/api\/v1\/(auth|teams|team-invitations)\//;

test('every route needs a key, or is on the list of those that do not', () => {
  const document = shared().app.server.swagger() as {
    paths: Record<string, Record<string, { security?: unknown }>>;
  };
  const open = Object.entries(document.paths)
    .filter(([, methods]) => Object.values(methods).some((operation) => operation.security === undefined))
    .map(([url]) => url);
  expect(open.filter((url) => !OPEN.has(url))).toEqual([]);
  expect(guardedRoutes().length).toBeGreaterThan(12);
});

test.each([
  ['no key', {}],
  ['a wrong key', { authorization: 'Bearer wrong' }],
  ['a wrong x-api-key', { 'x-api-key': 'wrong' }],
  ['another scheme', { authorization: 'Basic YTpi' }],
  ['a key with more behind it', { authorization: 'Bearer admin-key-for-tests more' }],
])('%s is 401 on every guarded route', async (_what, headers) => {
  for (const { method, url } of guardedRoutes()) {
    const response = await shared().app.server.inject({ method: method as 'GET', url, headers });
    expect(response.statusCode, `${method} ${url}`).toBe(401);
    expect(response.headers['www-authenticate']).toBe('Bearer');
    const code = url.startsWith('/v1') ? 'invalid_api_key' : 'unauthorized';
    if (method !== 'HEAD') expect(response.json()).toMatchObject({ error: { code } });
  }
});

test("another owner's video is 404 on every route that names one", async () => {
  const { admin, user } = shared();
  const { jobId } = await admin.create();
  const stranger = await user();
  for (const { method, url } of guardedRoutes().filter(
    (route) => route.url.includes('video_x') && !PEOPLE.test(route.url),
  )) {
    // Asked rightly: a wrong request is refused before anything is looked for.
    const changesKey = method === 'PATCH' && url.includes('/keys/') ? { name: 'x' } : undefined;
    const payload = /\/(remix|edit|extend)$/.test(url) ? { prompt: 'x' } : changesKey;
    const response = await stranger.inject({
      method: method as 'GET',
      url: url.replace('video_x', jobId),
      ...(payload ? { payload } : {}),
    });
    // What only admins may do is refused before it is looked for.
    expect(response.statusCode, `${method} ${url}`).toBe(url.includes('/admin/') ? 403 : 404);
  }
  expect((await admin.get(jobId)).status).toBe('pending');
});

test('both ways of sending the key work, and it is stored as a hash only', async () => {
  const { app, db, admin } = shared();
  for (const headers of [{ 'x-api-key': admin.key }, { authorization: `bearer ${admin.key}` }]) {
    const response = await app.server.inject({ method: 'GET', url: '/api/v1/videos', headers });
    expect(response.statusCode).toBe(200);
  }
  expect(JSON.stringify(await db.selectFrom('api_keys').selectAll().execute())).not.toContain(admin.key);
});

test('a revoked or expired key stops working within a second', async () => {
  const { user, db, clock } = await createTestApp();
  const caller = await user();
  expect((await caller.request('GET', '/api/v1/videos')).statusCode).toBe(200);
  await db.updateTable('api_keys').set({ revoked_at: new Date() }).where('name', '=', 'somebody').execute();
  await clock.advance(1000);
  expect((await caller.request('GET', '/api/v1/videos')).statusCode).toBe(401);
});

test('beyond the limits the answer is 429 with Retry-After, and the next window is open again', async () => {
  const { admin, clock, user } = await createTestApp({ RATE_LIMIT_MAX: '5', CREATE_LIMIT_MAX: '2' });
  const create = () => admin.request('POST', '/v1/videos', { prompt: 'x' });
  const first = await create();
  expect(first.headers).toMatchObject({
    'x-ratelimit-limit-requests': '2',
    'x-ratelimit-remaining-requests': '1',
    'x-ratelimit-reset-requests': '1m0s',
  });
  await create();
  const third = await create();
  expect(third.statusCode).toBe(429);
  expect(third.headers['retry-after']).toBe('60');
  expect(third.json()).toMatchObject({ error: { type: 'rate_limit_error', code: 'rate_limit_exceeded' } });
  for (let used = 3; used < 5; used += 1) await admin.request('GET', '/v1/videos');
  expect((await admin.request('GET', '/v1/videos')).statusCode).toBe(429);
  expect((await (await user()).request('GET', '/v1/videos')).statusCode).toBe(200);
  await clock.advance(60_000);
  expect((await create()).statusCode).toBe(200);
});
