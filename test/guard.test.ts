import { beforeAll, describe, expect, test, vi } from 'vitest';
import { SCOPES } from '../src/accounts/principal.ts';
import { insertKey } from '../src/accounts/accounts.repository.ts';
import { newId, sha256 } from '../src/core/ids.ts';
import { upload } from './assets.ts';
import { SMALL, useTestApp } from './create-test-app.ts';
import { picture } from './images.ts';
import { bodyFor, isPublic, neededFor, type Route } from './guard-routes.ts';
import { dataOf, holder, makeKey, person } from './keys-kit.ts';

const shared = useTestApp();

/** Every route that the server has, from the server itself: a new one is judged by being there. */
let guarded: Route[] = [];
beforeAll(() => {
  const all = shared().app.server.everyRoute;
  guarded = all.filter((route) => !isPublic(route));
});

/** A route's address, with what its parameters are called filled in. */
const fill = (url: string, ids: Readonly<Record<string, string>> = {}) =>
  url.replaceAll(/:(\w+)/g, (_, name: string) => ids[name] ?? 'nothing');

const ask = ({ method, url }: Route, headers: Record<string, string>, body?: object) =>
  shared().app.server.inject({
    method: method as 'GET',
    url,
    headers,
    ...(body ? { payload: body } : {}),
  });

test('every route is public by name or has a rule that says what it needs', () => {
  expect(guarded.length).toBeGreaterThan(60);
  for (const route of guarded) expect(neededFor(route), `${route.method} ${route.url}`).not.toEqual([]);
  expect(() => neededFor({ method: 'POST', url: '/api/v1/something-new' })).toThrow('no rule');
  expect(() => neededFor({ method: 'DELETE', url: '/v1/models/:model' })).toThrow('no rule');
});

test('what is public answers without a credential', async () => {
  for (const url of ['/', '/health', '/ready', '/metrics', '/openapi.json', '/docs']) {
    expect((await ask({ method: 'GET', url }, {})).statusCode, url).toBeLessThan(400);
  }
});

describe('401 on every guarded route', () => {
  const credentials: Record<string, () => Promise<Record<string, string>>> = {
    'no credential': async () => ({}),
    'an empty key': async () => ({ 'x-api-key': '', authorization: 'Bearer ' }),
    'another scheme': async () => ({ authorization: 'Basic YWRtaW46YWRtaW4=' }),
    'a key that nobody has': async () => ({ authorization: `Bearer sk_${'a'.repeat(38)}` }),
    'a key with more behind it': async () => ({ authorization: `Bearer ${shared().admin.key} more` }),
    'a token of nobody': async () => ({ authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' }),
    'a cookie of nobody': async () => ({ cookie: 'session=admin' }),
    'an expired key': () => deadKey({ expires_at: new Date(shared().clock.now()) }),
    'a revoked key': () => deadKey({ revoked_at: new Date(0) }),
    "a locked-out user's key": async () => {
      const { userId, key } = await person(shared());
      await shared()
        .db.updateTable('users')
        .set({ disabled_at: new Date() })
        .where('id', '=', userId)
        .execute();
      return { 'x-api-key': key };
    },
  };

  async function deadKey(change: { expires_at?: Date; revoked_at?: Date }) {
    const { userId, key } = await person(shared());
    await shared().db.updateTable('api_keys').set(change).where('user_id', '=', userId).execute();
    return { 'x-api-key': key };
  }

  test.each(Object.keys(credentials))('%s', async (name) => {
    const headers = await credentials[name]!();
    for (const route of guarded) {
      const response = await ask({ ...route, url: fill(route.url) }, headers);
      expect(response.statusCode, `${route.method} ${route.url}`).toBe(401);
      expect(response.headers['www-authenticate']).toBe('Bearer');
    }
  });
});

test.each(SCOPES)('the scope %s opens the routes that need it, and no other', async (scope) => {
  const { key } = await person(shared(), { role: scope === 'admin' ? 'admin' : 'user', scopes: [scope] });
  for (const route of guarded) {
    const { method, url } = route;
    const { statusCode } = await ask({ method, url: fill(url) }, { 'x-api-key': key });
    if (neededFor(route).includes(scope)) expect([401, 403], `${method} ${url}`).not.toContain(statusCode);
    else expect(statusCode, `${method} ${url}`).toBe(403);
  }
});

test('with every scope but its own, a route stays shut', async () => {
  const { userId } = await person(shared(), { role: 'admin' });
  const keys = new Map<string, string>();
  for (const needed of new Set(guarded.map((route) => neededFor(route).join(' ')))) {
    const scopes = SCOPES.filter((scope) => !needed.split(' ').includes(scope));
    const key = `without ${needed}`.replaceAll(' ', '-');
    await insertKey(shared().db, { userId, name: key, key }, new Date());
    await shared().db.updateTable('api_keys').set({ scopes }).where('name', '=', key).execute();
    keys.set(needed, key);
  }
  for (const route of guarded) {
    const key = keys.get(neededFor(route).join(' ')) ?? '';
    const { statusCode } = await ask({ ...route, url: fill(route.url) }, { 'x-api-key': key });
    expect(statusCode, `${route.method} ${route.url}`).toBe(403);
  }
});

/** A team of which somebody is the owner. */
async function teamOf({ key }: { key: string }): Promise<string> {
  const { db } = shared();
  const id = newId('team');
  const at = new Date();
  const { user_id: userId } = await db
    .selectFrom('api_keys')
    .select('user_id')
    .where('key_hash', '=', sha256(key))
    .executeTakeFirstOrThrow();
  await db.insertInto('teams').values({ id, name: 'Ours', slug: id, created_at: at }).execute();
  await db
    .insertInto('team_members')
    .values({ id: newId('team'), team_id: id, user_id: userId, role: 'owner', created_at: at })
    .execute();
  return id;
}

test("what is another's does not exist on any route that names a thing, and stays as it was", async () => {
  const { app, user, finish } = shared();
  const [ann, bob] = [await user('ann'), await user('bob')];
  const { jobId } = await ann.create(SMALL);
  await finish(jobId);
  const batch = await ann.request('POST', '/api/v1/videos/batch', { videos: [SMALL] });
  const { batchId } = dataOf<{ batchId: string }>(batch, 201);
  const collection = await ann.request('POST', '/api/v1/collections', { name: 'mine' });
  const { collectionId } = dataOf<{ collectionId: string }>(collection, 201);
  const { assetId } = await upload(ann, await picture());
  const { id: keyId } = await makeKey(ann);
  const ids: Record<string, string> = {
    jobId,
    batchId,
    collectionId,
    assetId,
    keyId,
    video_id: jobId,
    scope: 'user',
    subjectId: 'usr_admin',
    userId: 'usr_admin',
    teamId: await teamOf(ann),
    // Only people in their browsers come near these.
    sessionId: 'session_x',
    invitationId: 'invitation_x',
  };

  // What everybody may see, and what there is nothing of here, by the name of its parameter.
  const common = new Set(['model', 'character_id']);
  const naming = guarded.filter(({ url }) => /:\w/.test(url));
  expect(naming.length).toBeGreaterThan(30);
  for (const route of naming) {
    const names = Array.from(route.url.matchAll(/:(\w+)/g), ([, name = '']) => name);
    if (names.some((name) => common.has(name))) continue;
    for (const name of names) expect(Object.keys(ids), `${route.url}: make one of ${name}`).toContain(name);
    const url = fill(route.url, ids);
    const response = await ask({ method: route.method, url }, { 'x-api-key': bob.key }, bodyFor(route));
    // What only administrators may do is refused before it is looked for.
    const needed = neededFor(route);
    const isShut = needed.includes('session') || (needed.includes('admin') && !route.url.includes('/keys/'));
    const expected = isShut ? 403 : 404;
    expect(response.statusCode, `${route.method} ${url} ${response.body}`).toBe(expected);
  }
  for (const url of ['/v1/videos/edits', '/v1/videos/extensions']) {
    const body = {
      prompt: 'x',
      video: { id: jobId },
      ...(url.endsWith('extensions') ? { seconds: '4' } : {}),
    };
    expect((await bob.request('POST', url, body)).statusCode, url).toBe(404);
  }
  // For their owner the same addresses are there, and nothing has happened to what they name.
  const owned = naming.filter(({ method, url }) => method === 'GET' && !/\/admin\/|:character_id/.test(url));
  for (const route of owned) {
    const url = fill(route.url, { ...ids, model: 'simulator' });
    const { statusCode, body } = await holder(app, ann.key)('GET', url);
    expect([401, 403, 404], `${url} ${body.slice(0, 200)}`).not.toContain(statusCode);
    expect(body).not.toContain('taken over');
  }
});

test('users get nowhere in the administration, whatever their key says; a demoted admin loses it at once', async () => {
  const { app, db } = shared();
  const admin = await person(shared(), { role: 'admin' });
  const user = await person(shared());
  const routes = guarded.filter(({ url }) => url.startsWith('/api/v1/admin/'));
  expect(routes.length).toBeGreaterThan(4);
  for (const route of routes) {
    const { statusCode } = await ask({ ...route, url: fill(route.url) }, { 'x-api-key': user.key });
    expect(statusCode, `${route.method} ${route.url}`).toBe(403);
  }
  const power = () => holder(app, admin.key)('GET', '/api/v1/admin/prices');
  expect((await power()).statusCode).toBe(200);
  await db.updateTable('users').set({ role: 'user' }).where('id', '=', admin.userId).execute();
  // The clock stands still: it is the notice that ends what was believed.
  await vi.waitFor(async () => expect((await power()).statusCode).toBe(403));
  expect((await holder(app, admin.key)('GET', '/api/v1/videos')).statusCode).toBe(200);
});
