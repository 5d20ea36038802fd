import { OAuth2Server } from 'oauth2-mock-server';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type Browser,
  codeOf,
  createBrowser,
  firstAdmin,
  invitation,
  PASSWORD,
  person,
  PUBLIC_URL,
  signInAt,
  whoIs,
} from './accounts-kit.ts';
import { createTestApp, type TestApp } from './create-test-app.ts';

const issuer = new OAuth2Server();
let studio: TestApp;
let admin: Browser;
let cleanUp = async () => {};
let claims: Record<string, unknown> = {};
let tokenRequests: Record<string, unknown>[] = [];

beforeAll(async () => {
  await issuer.issuer.keys.generate('RS256');
  await issuer.start(0, '127.0.0.1');
  issuer.service.on(
    'beforeTokenSigning',
    (token: { payload: Record<string, unknown> }, request: { body: object }) => {
      tokenRequests.push(request.body as Record<string, unknown>);
      Object.assign(token.payload, claims);
    },
  );
  const env = {
    PUBLIC_URL,
    OIDC_ISSUER: issuer.issuer.url ?? '',
    OIDC_CLIENT_ID: 'studio',
    OIDC_CLIENT_SECRET: 'client-secret',
    OIDC_NAME: 'Acme',
    GOOGLE_CLIENT_ID: 'studio-at-google',
    GOOGLE_CLIENT_SECRET: 'google-secret',
  };
  studio = await createTestApp(env, (clean) => (cleanUp = clean));
  admin = await firstAdmin(studio);
});
afterAll(async () => {
  await cleanUp();
  await issuer.stop();
});
beforeEach(() => {
  tokenRequests = [];
});

/** Goes to the issuer, which says this of whoever comes. */
const goThrough = (browser: Browser, who: Record<string, unknown>, back?: (url: URL) => URL) =>
  signInAt(browser, 'oidc', {
    returnTo: '/library?tab=1',
    back,
    there(url) {
      claims = { nonce: url.searchParams.get('nonce'), aud: 'studio', ...who };
    },
  });

test('an invited person signs in at the issuer and is a user from then on', async () => {
  await invitation(admin, 'gil@example.com');
  const who = { sub: 'gil-1', email: 'gil@example.com', email_verified: true, name: 'Gil' };
  const browser = createBrowser(studio);
  expect((await goThrough(browser, who)).href).toBe(`${PUBLIC_URL}/library?tab=1`);
  expect(await whoIs(browser)).toMatchObject({
    user: { name: 'Gil', email: 'gil@example.com', role: 'user' },
  });
  expect(tokenRequests[0]).toMatchObject({
    grant_type: 'authorization_code',
    code_verifier: expect.any(String),
  });
  // The same person, who has another address by now.
  const again = createBrowser(studio);
  await goThrough(again, { ...who, email: 'gilbert@example.com' });
  expect(await whoIs(again)).toMatchObject({ user: { email: 'gil@example.com' } });
  expect(await studio.db.selectFrom('invitations').selectAll().execute()).toEqual([]);
  const accounts = await studio.db
    .selectFrom('accounts')
    .selectAll()
    .where('provider_id', '=', 'oidc')
    .execute();
  expect(accounts).toMatchObject([{ account_id: 'gil-1', password: null }]);
});

test('who has an account here is recognised by the verified address', async () => {
  const here = await person(studio, admin, 'hal@example.com');
  const browser = createBrowser(studio);
  await goThrough(browser, {
    sub: 'hal-1',
    email: 'hal@example.com',
    email_verified: true,
    name: 'Somebody',
  });
  expect(await whoIs(browser)).toMatchObject({ user: ((await whoIs(here)) as { user: object }).user });
});

const REFUSED = 'unable_to_get_user_info';

const HAL = { sub: 'hal-1', email: 'hal@example.com', email_verified: true };
const CASES: [string, string, Record<string, unknown>][] = [
  ['somebody who was not invited', 'sign_up_closed', { ...HAL, sub: 'x', email: 'x@example.com' }],
  ['an invited address that is not verified', 'address_not_verified', { sub: 'i', email: 'inv@example.com' }],
  [
    'a known address that is not verified',
    'account_not_linked',
    { ...HAL, sub: 'h2', email_verified: false },
  ],
  ['a known address it says nothing about', 'account_not_linked', { sub: 'h3', email: 'hal@example.com' }],
  ['nobody’s address', REFUSED, { sub: 'h4', email_verified: true }],
  ['another nonce', REFUSED, { ...HAL, nonce: 'wrong' }],
  ['a token for another client', REFUSED, { ...HAL, aud: 'other' }],
  ['a token of another issuer', REFUSED, { ...HAL, iss: 'http://evil.example' }],
  ['a token that is over', REFUSED, { ...HAL, exp: 1000 }],
];

test.each(CASES)('%s is not signed in', async (_what, code, who) => {
  const browser = createBrowser(studio);
  await studio.db.deleteFrom('invitations').execute();
  await invitation(admin, 'inv@example.com');
  const users = await studio.db.selectFrom('users').select('id').execute();
  const end = await goThrough(browser, who);
  expect(end.origin).toBe(PUBLIC_URL);
  expect(end.searchParams.get('error')).toBe(code);
  expect(await whoIs(browser)).toBeNull();
  expect(await studio.db.selectFrom('users').select('id').execute()).toHaveLength(users.length);
});

test('somebody who is locked out here is, also by way of the issuer', async () => {
  await person(studio, admin, 'ida@example.com');
  await studio.db
    .updateTable('users')
    .set({ disabled_at: new Date() })
    .where('email', '=', 'ida@example.com')
    .execute();
  const browser = createBrowser(studio);
  const end = await goThrough(browser, { sub: 'ida-1', email: 'ida@example.com', email_verified: true });
  expect(end.searchParams.get('error')).toBe('account_disabled');
  expect(await whoIs(browser)).toBeNull();
});

test('a callback that this browser did not begin signs nobody in', async () => {
  const who = { sub: 'hal-1', email: 'hal@example.com', email_verified: true };
  const thief = createBrowser(studio);
  let stolen: URL | undefined;
  await goThrough(thief, who, (url) => {
    stolen = new URL(url);
    url.searchParams.set('state', 'made-up');
    return url;
  });
  expect(await whoIs(thief)).toBeNull();
  const victim = createBrowser(studio);
  const response = await victim.send('GET', `${stolen?.pathname}${stolen?.search}`);
  expect(new URL(response.headers.location ?? '').searchParams.get('error')).toEqual(expect.any(String));
  expect(await whoIs(victim)).toBeNull();
});

test.each([['https://evil.example/'], ['//evil.example'], ['/\\evil.example'], ['javascript:alert(1)']])(
  'after signing in nobody is sent to %s',
  async (returnTo) => {
    const body = { provider: 'oidc', returnTo };
    const response = await createBrowser(studio).send('POST', 'auth/sign-in/provider', body);
    expect([response.statusCode, codeOf(response)]).toEqual([400, 'invalid_request']);
  },
);

test('what is offered is what is set', async () => {
  const browser = createBrowser(studio);
  expect(await browser.data('GET', 'auth/providers')).toEqual([
    { provider: 'password', name: 'Password', kind: 'password' },
    { provider: 'oidc', name: 'Acme', kind: 'oidc' },
    { provider: 'google', name: 'Google', kind: 'oidc' },
  ]);
  const other = await browser.send('POST', 'auth/sign-in/provider', { provider: 'github' });
  expect(codeOf(other)).toBe('sign_in_provider_not_found');
  expect((await browser.send('GET', 'auth/callback/github')).statusCode).toBe(404);
  // Somebody with no password cannot sign in with one.
  const guess = { email: 'gil@example.com', password: PASSWORD };
  expect((await browser.send('POST', 'auth/sign-in', guess)).statusCode).toBe(401);
});
