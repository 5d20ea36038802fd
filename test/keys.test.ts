import { sql } from 'kysely';
import { expect, test, vi } from 'vitest';
import { isIntact } from '../src/core/ids.ts';
import { adoptAdminKey } from '../src/accounts/accounts.repository.ts';
import { createTestApp, useTestApp } from './create-test-app.ts';
import { dataOf, holder, type KeyView, makeKey, person, team } from './keys-kit.ts';
import { secondApp } from './second-app.ts';
import { ADMIN_KEY } from './test-env.ts';

const shared = useTestApp({ MODEL_ALIASES: 'cheap=simulator,other=simulator' });
const LIST = '/api/v1/videos';
const HOUR_MS = 3_600_000;
const inMs = (ms: number) => new Date(shared().clock.now() + ms).toISOString();

test('a key is shown once, stored as a hash, and works with the rights it was given', async () => {
  const { app, db, user } = shared();
  const caller = await user('maker');
  const made = await makeKey(caller, { name: 'CI', scopes: ['videos:read'], spendCapUsd: 12.5 });
  expect(made).toMatchObject({ name: 'CI', scopes: ['videos:read'], spendCapUsd: 12.5, spentUsd: 0 });
  expect(made.key.startsWith(made.prefix)).toBe(true);
  expect(isIntact(made.key, 'sk')).toBe(true);
  const request = holder(app, made.key);
  expect((await request('GET', LIST)).statusCode).toBe(200);
  const refused = await request('POST', LIST, { prompt: 'x' });
  expect(refused.statusCode).toBe(403);
  expect(refused.json()).toMatchObject({ error: { code: 'forbidden', details: { needed: 'videos:write' } } });
  for (const url of ['/api/v1/keys', `/api/v1/keys/${made.id}`]) {
    const { body } = await caller.request('GET', url);
    expect(body).toContain(made.id);
    expect(body).not.toContain(made.key);
  }
  const stored = JSON.stringify([
    await db.selectFrom('api_keys').selectAll().execute(),
    await db.selectFrom('audit_log').selectAll().execute(),
  ]);
  expect(stored).not.toContain(made.key);
  const changed = made.key.slice(0, -1) + (made.key.endsWith('A') ? 'B' : 'A');
  expect((await holder(app, changed)('GET', LIST)).body).toContain('mistyped');
});

test.each<[string, object, number, string]>([
  ['a scope the caller has not got', { scopes: ['admin'] }, 403, 'forbidden'],
  ['an unknown scope', { scopes: ['everything'] }, 400, 'invalid_request'],
  ['no scope at all', { scopes: [] }, 400, 'invalid_request'],
  ['a scope twice', { scopes: ['keys', 'keys'] }, 400, 'invalid_request'],
  ['an unknown model', { models: ['sora-99'] }, 400, 'model_not_found'],
  ['an empty list of models', { models: [] }, 400, 'invalid_request'],
  ['a negative cap', { spendCapUsd: -0.01 }, 400, 'invalid_request'],
  ['an absurd cap', { spendCapUsd: 1e12 }, 400, 'invalid_request'],
  ['a cap finer than a micro-dollar', { spendCapUsd: 0.0000015 }, 400, 'invalid_request'],
  ['a cap that is text', { spendCapUsd: '5' }, 400, 'invalid_request'],
  ['an end in the past', { expiresAt: '2020-01-01T00:00:00Z' }, 400, 'invalid_request'],
  ['an end that is no time', { expiresAt: 'soon' }, 400, 'invalid_request'],
  ['an empty name', { name: '' }, 400, 'invalid_request'],
  ['a name with a NUL', { name: 'a\u0000b' }, 400, 'invalid_request'],
  ['an unknown field', { owner: 'usr_admin' }, 400, 'unknown_field'],
  ['a team of others', { teamId: 'team_of_others' }, 404, 'not_found'],
  ['another user as the team', { teamId: 'usr_admin' }, 404, 'not_found'],
])('a key with %s is refused, and none is made', async (_what, body, status, code) => {
  const caller = await person(shared());
  const response = await caller.request('POST', '/api/v1/keys', { name: 'x', ...body });
  expect(response.json()).toMatchObject({ error: { code } });
  expect(response.statusCode).toBe(status);
  expect(dataOf<KeyView[]>(await caller.request('GET', '/api/v1/keys'))).toHaveLength(1);
});

test('caps are kept to the micro-dollar', async () => {
  const caller = await shared().user('caps');
  for (const cap of [0, 0.000001, 0.1, 0.3, 1234.567891, 10_000_000]) {
    expect((await makeKey(caller, { spendCapUsd: cap })).spendCapUsd).toBe(cap);
  }
});

test('a key neither makes, changes nor sees keys that may do more than it', async () => {
  const { app, user } = shared();
  const caller = await user('breeder');
  const strong = await makeKey(caller, { scopes: ['videos:read', 'videos:write', 'keys'] });
  const weak = await makeKey(caller, {
    scopes: ['videos:read', 'keys'],
    models: ['cheap'],
    expiresAt: inMs(HOUR_MS),
  });
  const request = holder(app, weak.key);
  const attempts: [object, string][] = [
    [{ scopes: ['videos:write'] }, 'scopes'],
    [{ scopes: ['videos:read'], models: null }, 'models'],
    // The alias may stand for something else tomorrow.
    [{ scopes: ['videos:read'], models: ['simulator'] }, 'models'],
    [{ scopes: ['videos:read'], expiresAt: null }, 'expiresAt'],
    [{ scopes: ['videos:read'], expiresAt: inMs(2 * HOUR_MS) }, 'expiresAt'],
  ];
  for (const [body, field] of attempts) {
    const response = await request('POST', '/api/v1/keys', { name: 'child', ...body });
    expect(response.statusCode, response.body).toBe(403);
    expect(response.json()).toMatchObject({ error: { details: { field } } });
  }
  const child = dataOf(await request('POST', '/api/v1/keys', { name: 'child' }), 201);
  expect(child).toMatchObject({ scopes: ['videos:read'], models: ['cheap'], expiresAt: weak.expiresAt });
  const seen = dataOf<KeyView[]>(await request('GET', '/api/v1/keys')).map(({ id }) => id);
  expect(seen.sort()).toEqual([weak.id, child.id].sort());
  for (const [method, path] of [
    ['GET', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['POST', '/rotate'],
  ] as const) {
    const body = method === 'PATCH' ? { name: 'mine now' } : undefined;
    const response = await request(method, `/api/v1/keys/${strong.id}${path}`, body);
    expect(response.statusCode, method).toBe(404);
  }
  for (const body of [{ models: null }, { models: ['simulator'] }, { expiresAt: null }]) {
    expect((await request('PATCH', `/api/v1/keys/${weak.id}`, body)).statusCode).toBe(403);
  }
  // What takes away needs no more power than one has.
  expect((await request('PATCH', `/api/v1/keys/${weak.id}`, { expiresAt: inMs(1000) })).statusCode).toBe(200);
});

test('a key gets by replacing another no more than it has: no longer life, no second cap', async () => {
  const { app, user } = shared();
  const caller = await user('taker');
  const scopes = ['videos:read', 'videos:write', 'keys'];
  const lasting = await makeKey(caller, {});
  const brief = await makeKey(caller, { scopes, expiresAt: inMs(HOUR_MS) });
  const capped = await makeKey(caller, { scopes, spendCapUsd: 5 });
  const sibling = await makeKey(caller, { spendCapUsd: 5 });
  for (const [by, of, field] of [
    [brief, lasting, 'expiresAt'],
    [capped, sibling, 'spendCapUsd'],
  ] as const) {
    const refused = await holder(app, by.key)('POST', `/api/v1/keys/${of.id}/rotate`, {});
    expect(refused.statusCode, refused.body).toBe(403);
    expect(refused.json()).toMatchObject({ error: { code: 'forbidden', details: { field } } });
    expect((await holder(app, of.key)('GET', '/api/v1/videos')).statusCode).toBe(200);
  }
  // Themselves they may.
  for (const { id, key } of [brief, capped])
    expect((await holder(app, key)('POST', `/api/v1/keys/${id}/rotate`, {})).statusCode).toBe(201);
});

test('the next start brings the key of the settings back, revoked or run out', async () => {
  const { admin, app, clock, db } = await createTestApp();
  const { apiKeys } = dataOf<{ apiKeys: KeyView[] }>(
    await admin.request('GET', '/api/v1/admin/users/usr_admin'),
  );
  await admin.request('POST', `/api/v1/keys/${apiKeys[0]?.id}/rotate`, { overlapSeconds: 60 });
  await clock.advance(61_000);
  const works = async () => (await holder(app, ADMIN_KEY)('GET', '/api/v1/videos')).statusCode;
  expect(await works()).toBe(401);
  await adoptAdminKey(db, { key: ADMIN_KEY, generated: false }, new Date(clock.now()));
  await clock.advance(1001);
  expect(await works()).toBe(200);
});

test('a key with a quota gets no more by other keys, made or replaced', async () => {
  const { app, admin, user } = shared();
  const caller = await user('limited');
  const other = await makeKey(caller);
  const { id, key } = await makeKey(caller, { scopes: ['videos:read', 'videos:write', 'keys'] });
  const payload = { videosPerDay: { hard: 0 } };
  expect(
    (await admin.inject({ method: 'PUT', url: `/api/v1/admin/quotas/key/${id}`, payload })).statusCode,
  ).toBe(200);
  const replace = (keyId: string, by = key) => holder(app, by)('POST', `/api/v1/keys/${keyId}/rotate`, {});
  expect((await holder(app, key)('POST', '/api/v1/keys', { name: 'child' })).statusCode).toBe(403);
  expect((await replace(other.id)).statusCode).toBe(403);
  // What takes its place has its quota, and no more power.
  const next = dataOf(await replace(id), 201);
  expect((await holder(app, next.key)('POST', '/api/v1/videos', { prompt: 'x' })).statusCode).toBe(429);
  expect((await holder(app, next.key)('POST', '/api/v1/keys', { name: 'child' })).statusCode).toBe(403);
});

test('a key with a cap makes no keys and raises no caps; what it spends counts on when it is replaced', async () => {
  const { app, db, user } = shared();
  const caller = await user('capped');
  const capped = await makeKey(caller, { scopes: ['keys', 'videos:read'], spendCapUsd: 5 });
  const request = holder(app, capped.key);
  expect((await request('POST', '/api/v1/keys', { name: 'child', spendCapUsd: 1 })).statusCode).toBe(403);
  for (const spendCapUsd of [6, null]) {
    expect((await request('PATCH', `/api/v1/keys/${capped.id}`, { spendCapUsd })).statusCode).toBe(403);
  }
  expect(dataOf(await request('PATCH', `/api/v1/keys/${capped.id}`, { spendCapUsd: 4 })).spendCapUsd).toBe(4);
  const today = new Date();
  const used = { usd_day: 0, usd_month: 0, usd_total: 1_250_000, videos_day: 0, seconds_month: 0 };
  const period = { zone: 'UTC', day: today, month: today };
  await db
    .insertInto('meters')
    .values({ scope: 'key', subject_id: capped.id, ...period, ...used })
    .execute();
  const next = dataOf(await request('POST', `/api/v1/keys/${capped.id}/rotate`, { overlapSeconds: 60 }), 201);
  expect(next).toMatchObject({ spendCapUsd: 4, spentUsd: 1.25, rotatedFrom: capped.id });
  expect(dataOf(await request('GET', `/api/v1/keys/${capped.id}`)).spentUsd).toBe(1.25);
});

test('a rotated key works beside the new one until the overlap ends, and is replaced only once', async () => {
  const { app, user, clock } = shared();
  const caller = await user('rotator');
  const old = await makeKey(caller, { name: 'CI', models: ['cheap'], spendCapUsd: 3 });
  const url = `/api/v1/keys/${old.id}/rotate`;
  const next = dataOf(await caller.request('POST', url, { overlapSeconds: 60 }), 201);
  expect(next).toMatchObject({ name: 'CI', scopes: old.scopes, models: ['cheap'], spendCapUsd: 3 });
  expect((await caller.request('POST', url)).json()).toMatchObject({ error: { code: 'key_not_active' } });
  for (const { key } of [old, next]) expect((await holder(app, key)('GET', LIST)).statusCode).toBe(200);
  await clock.advance(59_500);
  expect((await holder(app, old.key)('GET', LIST)).statusCode).toBe(200);
  // Not even the belief of a second outlives it.
  await clock.advance(500);
  expect((await holder(app, old.key)('GET', LIST)).statusCode).toBe(401);
  expect((await holder(app, next.key)('GET', LIST)).statusCode).toBe(200);
  const last = dataOf(await caller.request('POST', `/api/v1/keys/${next.id}/rotate`), 201);
  expect((await holder(app, next.key)('GET', LIST)).statusCode).toBe(401);
  expect((await holder(app, last.key)('GET', LIST)).statusCode).toBe(200);
  const dead = await caller.request('PATCH', `/api/v1/keys/${next.id}`, { expiresAt: null });
  expect(dead.json()).toMatchObject({ error: { code: 'key_not_active' } });
});

test('of many who rotate a key at once, one gets a new key', async () => {
  const { user } = shared();
  const caller = await user('racer');
  const { id } = await makeKey(caller);
  const answers = await Promise.all(
    Array.from({ length: 8 }, () =>
      caller.request('POST', `/api/v1/keys/${id}/rotate`, { overlapSeconds: 60 }),
    ),
  );
  expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([201, ...Array(7).fill(409)]);
});

test('a revoked key is refused at once, in other processes too, without time going by', async () => {
  const first = shared();
  const caller = await first.user('revoker');
  const [made, other] = [await makeKey(caller), await makeKey(caller)];
  const second = await secondApp(first);
  try {
    const there = holder(second, made.key);
    for (const request of [there, holder(first.app, made.key), holder(second, other.key)]) {
      expect((await request('GET', LIST)).statusCode).toBe(200);
    }
    const revoked = dataOf(await caller.request('DELETE', `/api/v1/keys/${made.id}`));
    expect(revoked.revokedAt).not.toBeNull();
    expect((await holder(first.app, made.key)('GET', LIST)).statusCode).toBe(401);
    // The clock stands still: only the notice can have ended the belief.
    await vi.waitFor(async () => expect((await there('GET', LIST)).statusCode).toBe(401));
    expect((await holder(second, other.key)('GET', LIST)).statusCode).toBe(200);
    expect(dataOf(await caller.request('DELETE', `/api/v1/keys/${made.id}`)).revokedAt).toBe(
      revoked.revokedAt,
    );
  } finally {
    await second.stop();
  }
});

test('when the notice is lost, a revoked key is refused after a second', async () => {
  const { app, db, clock, user } = shared();
  const made = await makeKey(await user('unnoticed'));
  const ask = async () => (await holder(app, made.key)('GET', LIST)).statusCode;
  expect(await ask()).toBe(200);
  await sql`alter table api_keys disable trigger api_keys_credentials`.execute(db);
  await db.updateTable('api_keys').set({ revoked_at: new Date() }).where('id', '=', made.id).execute();
  await sql`alter table api_keys enable trigger api_keys_credentials`.execute(db);
  await clock.advance(999);
  expect(await ask()).toBe(200);
  await clock.advance(1);
  expect(await ask()).toBe(401);
});

test("another's key does not exist, whatever is done to it", async () => {
  const { user } = shared();
  const { id } = await makeKey(await user('one'));
  const other = await user('other');
  for (const key of [id, 'key_nobody']) {
    for (const [method, path, body] of [
      ['GET', '', undefined],
      ['PATCH', '', { name: 'x' }],
      ['DELETE', '', undefined],
      ['POST', '/rotate', { overlapSeconds: 0 }],
    ] as const) {
      const response = await other.request(method, `/api/v1/keys/${key}${path}`, body);
      expect(response.json(), method).toMatchObject({ error: { code: 'key_not_found' } });
    }
  }
  expect(dataOf<KeyView[]>(await other.request('GET', '/api/v1/keys'))).toHaveLength(1);
});

test('keys are listed newest first, page by page', async () => {
  const caller = await person(shared());
  const made: string[] = [];
  for (let n = 0; n < 4; n += 1) {
    made.unshift(dataOf(await caller.request('POST', '/api/v1/keys', { name: `key ${n}` }), 201).id);
  }
  const first = (await caller.request('GET', '/api/v1/keys?limit=3')).json();
  expect(first).toMatchObject({ pagination: { hasMore: true } });
  expect(first.data.map(({ id }: KeyView) => id)).toEqual(made.slice(0, 3));
  const rest = (await caller.request('GET', `/api/v1/keys?limit=3&after=${made[2]}`)).json();
  expect(rest).toMatchObject({ data: [{ id: made[3] }, {}], pagination: { hasMore: false } });
});

test('keys of a team are made by those who run it, and work while their maker is a member', async () => {
  const all = shared();
  const { app, db, clock } = all;
  const [boss, member, stranger] = [await person(all), await person(all), await person(all)];
  const teamId = await team(all, 'team_keys', { [boss.userId]: 'admin', [member.userId]: 'member' });
  const ask = { name: 'for all', teamId, scopes: ['videos:read', 'videos:write', 'keys'] };
  expect((await stranger.request('POST', '/api/v1/keys', ask)).statusCode).toBe(404);
  expect((await member.request('POST', '/api/v1/keys', ask)).statusCode).toBe(403);
  const made = dataOf(await boss.request('POST', '/api/v1/keys', ask), 201);
  expect(made.ownerId).toBe(teamId);
  const request = holder(app, made.key);
  const job = dataOf<{ jobId: string }>(await request('POST', LIST, { prompt: 'for the team' }), 201);
  expect((await boss.request('GET', `${LIST}/${job.jobId}`)).statusCode).toBe(404);
  // A team's key sees the team's keys alone, and makes none for its maker.
  expect(dataOf<KeyView[]>(await request('GET', '/api/v1/keys')).map(({ id }) => id)).toEqual([made.id]);
  expect(dataOf(await request('POST', '/api/v1/keys', { name: 'x' }), 201).ownerId).toBe(teamId);
  expect((await request('POST', '/api/v1/keys', { name: 'x', teamId: boss.userId })).statusCode).toBe(404);
  expect((await member.request('GET', `/api/v1/keys/${made.id}`)).statusCode).toBe(404);
  await db.deleteFrom('team_members').where('user_id', '=', boss.userId).execute();
  await clock.advance(1000);
  expect((await request('GET', LIST)).statusCode).toBe(401);
  expect((await boss.request('GET', LIST)).statusCode).toBe(200);
});

test('a locked-out user’s keys stop working, and work again when the user does', async () => {
  const all = shared();
  const { db, clock } = all;
  const { userId, request } = await person(all);
  expect((await request('GET', LIST)).statusCode).toBe(200);
  for (const [disabled, status] of [
    [new Date(), 401],
    [null, 200],
  ] as const) {
    await db.updateTable('users').set({ disabled_at: disabled }).where('id', '=', userId).execute();
    await clock.advance(1000);
    expect((await request('GET', LIST)).statusCode).toBe(status);
  }
});

test('when a key was last used is noted in the background, at most once a minute', async () => {
  const { app, clock, user } = shared();
  const caller = await user('used');
  const made = await makeKey(caller);
  const lastUse = async () => dataOf(await caller.request('GET', `/api/v1/keys/${made.id}`)).lastUsedAt;
  expect(await lastUse()).toBeNull();
  const use = () => holder(app, made.key)('GET', LIST);
  await use();
  await clock.advance(2000);
  const first = await vi.waitUntil(lastUse);
  await clock.advance(30_000);
  await use();
  await clock.advance(3000);
  expect(await lastUse()).toBe(first);
  await clock.advance(30_000);
  await use();
  await clock.advance(3000);
  await vi.waitFor(async () => expect(await lastUse()).not.toBe(first));
});

test('every change of a key is in the audit log, with who did it and what it was', async () => {
  const { db, user } = shared();
  const caller = await user('audited');
  const { id, ownerId } = await makeKey(caller, { name: 'before' });
  await caller.request('PATCH', `/api/v1/keys/${id}`, { name: 'after', spendCapUsd: 1 });
  const next = dataOf(await caller.request('POST', `/api/v1/keys/${id}/rotate`, { overlapSeconds: 5 }), 201);
  await caller.request('DELETE', `/api/v1/keys/${id}`);
  await caller.request('DELETE', `/api/v1/keys/${id}`);
  const log = await db
    .selectFrom('audit_log')
    .selectAll()
    .where('subject_id', '=', id)
    .orderBy('id')
    .execute();
  expect(log).toMatchObject([
    { action: 'key.created', actor_id: ownerId, address: '127.0.0.1', details: { name: 'before' } },
    { action: 'key.changed', details: { before: { name: 'before' }, after: { spendCapMicros: 1_000_000 } } },
    { action: 'key.rotated', details: { replacedBy: next.id, overlapSeconds: 5 } },
    { action: 'key.revoked' },
  ]);
  expect(log.every(({ credential_id: credential }) => credential?.startsWith('key_'))).toBe(true);
});
