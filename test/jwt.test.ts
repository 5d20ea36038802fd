import { createHmac } from 'node:crypto';
import { type CryptoKey, exportSPKI, importJWK, type JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN_KEY } from './test-env.ts';
import { createTestApp, type TestApp } from './create-test-app.ts';
import { type Issuer, type SigningKey, signingKey, signToken, startIssuer } from './issuer.ts';
import { dataOf, holder } from './keys-kit.ts';

const LIST = '/api/v1/videos';
const ADMIN = '/api/v1/admin/prices';
const NAMES = { iss: 'https://issuer.example', aud: 'sora' };

let issuer: Issuer;
let all: TestApp;
let cleanUp: () => Promise<void>;
let key: SigningKey;

beforeAll(async () => {
  issuer = await startIssuer();
  key = await signingKey('one');
  issuer.publish([key]);
  const env = {
    JWT_ISSUER: NAMES.iss,
    JWT_AUDIENCE: NAMES.aud,
    JWT_JWKS_URL: issuer.jwksUrl,
    JWT_ADMIN_CLAIM: 'realm.roles=admin,operator',
  };
  all = await createTestApp(env, (clean) => (cleanUp = clean));
});
afterAll(async () => {
  await cleanUp();
  await issuer.close();
});

const nowSeconds = () => Math.floor(all.clock.now() / 1000);
const claims = (more: JWTPayload = {}): JWTPayload => ({
  ...NAMES,
  sub: 'ann',
  exp: nowSeconds() + 300,
  ...more,
});
const get = async (token: string, url = LIST) => (await holder(all.app, token)('GET', url)).statusCode;
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a token makes its subject a user at first sight, the same one every time', async () => {
  const first = holder(all.app, await signToken(key, claims({ name: 'Ann' })));
  const { jobId } = dataOf<{ jobId: string }>(await first('POST', LIST, { prompt: 'mine' }), 201);
  const again = holder(all.app, await signToken(key, claims({ iat: nowSeconds() })));
  expect((await again('GET', `${LIST}/${jobId}`)).statusCode).toBe(200);
  expect(await get(await signToken(key, claims({ sub: 'bob' })), `${LIST}/${jobId}`)).toBe(404);
  const known = await all.db
    .selectFrom('outside_identities')
    .innerJoin('users', 'users.id', 'user_id')
    .select(['issuer', 'subject', 'name', 'role'])
    .where('subject', '=', 'ann')
    .execute();
  expect(known).toEqual([{ issuer: NAMES.iss, subject: 'ann', name: 'Ann', role: 'user' }]);
});

test('of many first sights at once one user comes', async () => {
  const tokens = await Promise.all(
    Array.from({ length: 6 }, (_, n) => signToken(key, claims({ sub: 'crowd', n }))),
  );
  expect(await Promise.all(tokens.map((token) => get(token)))).toEqual(Array(6).fill(200));
});

describe('what is not a valid token of the issuer is 401', () => {
  const cases: Record<string, () => Promise<string>> = {
    'an expired one': () => signToken(key, claims({ exp: nowSeconds() - 31 })),
    'one that is not valid yet': () => signToken(key, claims({ nbf: nowSeconds() + 31 })),
    'one without an expiry': () => signToken(key, { ...NAMES, sub: 'ann' }),
    'one without a subject': () => signToken(key, { ...NAMES, exp: nowSeconds() + 60 }),
    'one with an empty subject': () => signToken(key, claims({ sub: '' })),
    'one for another audience': () => signToken(key, claims({ aud: 'somebody-else' })),
    'one without an audience': () => signToken(key, { iss: NAMES.iss, sub: 'a', exp: nowSeconds() + 60 }),
    'one of another issuer': () => signToken(key, claims({ iss: 'https://other.example' })),
    'one of an issuer that begins alike': () => signToken(key, claims({ iss: `${NAMES.iss}.evil` })),
    'one that nobody signed (none)': async () =>
      `${encode({ alg: 'none', kid: 'one' })}.${encode(claims())}.`,
    'one whose signature was taken away': async () =>
      `${(await signToken(key, claims())).split('.').slice(0, 2).join('.')}.`,
    'one signed by HS256 with the public key': async () => {
      const pem = await exportSPKI((await importJWK(key.jwk, 'ES256')) as CryptoKey);
      const text = `${encode({ alg: 'HS256', kid: 'one' })}.${encode(claims())}`;
      return `${text}.${createHmac('sha256', pem).update(text).digest('base64url')}`;
    },
    "one of a foreign key under the issuer's key id": async () =>
      signToken(await signingKey('one'), claims()),
    'one that brings its own key': async () => {
      const own = await signingKey('one');
      const [, payload, signature] = (await signToken(own, claims())).split('.');
      return `${encode({ alg: 'ES256', kid: 'one', jwk: own.jwk })}.${payload}.${signature}`;
    },
    'one whose claims were changed': async () => {
      const [head, , signature] = (await signToken(key, claims())).split('.');
      return `${head}.${encode(claims({ sub: 'bob' }))}.${signature}`;
    },
    'garbage in its form': async () => 'eyJhbGciOiJFUzI1NiJ9.AAAA.BBBB',
    'garbage with a broken head': async () => 'eyJ.eyJ.eyJ',
  };
  test.each(Object.keys(cases))('%s', async (name) => {
    const token = await cases[name]!();
    const response = await holder(all.app, token)('GET', LIST);
    expect(response.statusCode).toBe(401);
    expect(response.headers['www-authenticate']).toBe('Bearer');
    expect(response.body).not.toContain(token);
  });
});

test('clocks may differ by half a minute', async () => {
  expect(await get(await signToken(key, claims({ exp: nowSeconds() - 29 })))).toBe(200);
  expect(await get(await signToken(key, claims({ nbf: nowSeconds() + 29 })))).toBe(200);
});

test('a token is refused from its expiry on, also by who has just believed it', async () => {
  await all.clock.advance(1000 - (all.clock.now() % 1000));
  const token = await signToken(key, claims({ exp: nowSeconds() + 1 }));
  await all.clock.advance(30_500);
  expect(await get(token)).toBe(200);
  await all.clock.advance(500);
  expect(await get(token)).toBe(401);
});

test('who is an administrator is judged with each token', async () => {
  const as = async (more: JWTPayload) => get(await signToken(key, claims({ sub: 'op', ...more })), ADMIN);
  expect(await as({})).toBe(403);
  expect(await as({ realm: { roles: ['user', 'operator'] } })).toBe(200);
  expect(await as({ realm: { roles: 'admin' } })).toBe(200);
  expect(await as({ 'realm.roles': ['admin'] })).toBe(200);
  expect(await as({ realm: { roles: ['user'] } })).toBe(403);
  expect(await as({ roles: ['admin'], role: 'admin' })).toBe(403);
  expect(await as({ realm: { roles: ['administrator', { admin: true }] } })).toBe(403);
});

test('an administrator by claim changes users like any other, until they are locked out', async () => {
  const chief = await signToken(key, claims({ sub: 'chief', realm: { roles: ['admin'] } }));
  expect(await get(chief, ADMIN)).toBe(200);
  expect(await get(await signToken(key, claims({ sub: 'clerk' })))).toBe(200);
  const { users } = dataOf<{ users: { id: string; name: string }[] }>(
    await holder(all.app, chief)('GET', '/api/v1/admin/users'),
  );
  const url = (name: string) => `/api/v1/admin/users/${users.find((user) => user.name === name)?.id}`;
  const change = (name: string, body: object) => holder(all.app, chief)('PATCH', url(name), body);
  expect(dataOf(await change('clerk', { role: 'admin' }))).toMatchObject({ role: 'admin' });
  expect(dataOf(await change('clerk', { role: 'user' }))).toMatchObject({ role: 'user' });
  // Nobody would be left when the issuer is.
  const last = await holder(all.app, chief)('PATCH', '/api/v1/admin/users/usr_admin', { role: 'user' });
  expect(last.json()).toMatchObject({ error: { code: 'last_admin' } });
  expect((await change('chief', { disabled: true })).statusCode).toBe(200);
  expect((await change('clerk', { role: 'admin' })).statusCode).toBe(401);
});

test('a user who is locked out stays out, whatever token comes', async () => {
  const token = await signToken(key, claims({ sub: 'locked' }));
  expect(await get(token)).toBe(200);
  const { user_id: id } = await all.db
    .selectFrom('outside_identities')
    .select('user_id')
    .where('subject', '=', 'locked')
    .executeTakeFirstOrThrow();
  await all.db.updateTable('users').set({ disabled_at: new Date() }).where('id', '=', id).execute();
  await all.clock.advance(1000);
  expect(await get(token)).toBe(401);
  expect(await get(await signToken(key, claims({ sub: 'locked', n: 1 })))).toBe(401);
});

test('keys go on working, and are sent as a token in the header for keys never taken for one', async () => {
  expect(await get(ADMIN_KEY)).toBe(200);
  const token = await signToken(key, claims());
  const response = await all.app.server.inject({ method: 'GET', url: LIST, headers: { 'x-api-key': token } });
  expect(response.statusCode).toBe(401);
});

test.each(['RS256', 'PS256', 'ES384', 'EdDSA'])('keys of the kind %s, without a key id too', async (alg) => {
  const [first, second] = [await signingKey('a', alg), await signingKey('b', alg)];
  issuer.publish([key, first, second]);
  await all.clock.advance(31_000);
  expect(await get(await signToken(second, claims({ alg })))).toBe(200);
  expect(await get(await signToken(second, claims({ alg, n: 1 }), { kid: undefined }))).toBe(200);
  const foreign = await signingKey('c', alg);
  expect(await get(await signToken(foreign, claims({ alg, n: 2 }), { kid: undefined }))).toBe(401);
});

test('new keys of the issuer are found when they are first used, old ones go', async () => {
  const next = await signingKey('two');
  issuer.publish([next]);
  await all.clock.advance(31_000);
  expect(await get(await signToken(next, claims()))).toBe(200);
  expect(await get(await signToken(key, claims({ n: 2 })))).toBe(401);
  issuer.publish([key, next]);
  await all.clock.advance(31_000);
  expect(await get(await signToken(key, claims({ n: 3 })))).toBe(200);
});

test('unknown key ids, however many, make the issuer be asked once in half a minute', async () => {
  await all.clock.advance(31_000);
  const before = issuer.asked();
  const foreign = await signingKey('x');
  const tokens = await Promise.all(
    Array.from({ length: 30 }, (_, n) => signToken(foreign, claims(), { kid: `unknown-${n}` })),
  );
  expect(new Set(await Promise.all(tokens.map((token) => get(token))))).toEqual(new Set([401]));
  await all.clock.advance(29_000);
  expect(await get(await signToken(foreign, claims(), { kid: 'one more' }))).toBe(401);
  expect(issuer.asked() - before).toBe(1);
});

test('while the issuer is away its known keys work for a day; what it would have to be asked for is 503', async () => {
  expect(await get(await signToken(key, claims()))).toBe(200);
  await issuer.close();
  await all.clock.advance(11 * 60_000);
  expect(await get(await signToken(key, claims({ n: 1 })))).toBe(200);
  await all.clock.advance(60_000);
  const next = await signingKey('three');
  const unknown = await holder(all.app, await signToken(next, claims()))('GET', LIST);
  expect(unknown.statusCode).toBe(503);
  expect(unknown.json()).toMatchObject({ error: { code: 'unavailable' } });
  expect(unknown.headers['retry-after']).toBe('5');
  // Our own keys have nothing to do with it.
  expect(await get(ADMIN_KEY)).toBe(200);
  await all.clock.advance(24 * 60 * 60_000);
  expect(await get(await signToken(key, claims({ n: 2 })))).toBe(503);
  await issuer.open();
  issuer.publish('<html>not keys</html>');
  await all.clock.advance(6000);
  expect(await get(await signToken(key, claims({ n: 3 })))).toBe(503);
  issuer.publish([key, next]);
  await all.clock.advance(6000);
  expect(await get(await signToken(next, claims({ n: 4 })))).toBe(200);
});

test('without an issuer a token is a key that nobody has', async () => {
  const plain = await createTestApp();
  const before = issuer.asked();
  expect((await holder(plain.app, await signToken(key, claims()))('GET', LIST)).statusCode).toBe(401);
  expect(issuer.asked()).toBe(before);
});
