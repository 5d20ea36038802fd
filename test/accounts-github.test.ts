import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Browser,
  createBrowser,
  firstAdmin,
  invitation,
  person,
  PUBLIC_URL,
  signInAt,
  whoIs,
} from './accounts-kit.ts';
import { createTestApp, type TestApp } from './create-test-app.ts';
import { type GithubServer, type GithubUser, startGithub } from './github-server.ts';

const JO: GithubUser = {
  id: 4711,
  login: 'jo',
  name: null,
  emails: [
    { email: 'old@example.com', primary: false, verified: true },
    { email: 'jo@example.com', primary: true, verified: true },
  ],
};

let github: GithubServer;
let studio: TestApp;
let admin: Browser;
let cleanUp = async () => {};

beforeAll(async () => {
  github = await startGithub(JO);
  const env = {
    PUBLIC_URL,
    GITHUB_URL: github.url,
    GITHUB_CLIENT_ID: 'studio',
    GITHUB_CLIENT_SECRET: 'github-secret',
  };
  studio = await createTestApp(env, (clean) => (cleanUp = clean));
  admin = await firstAdmin(studio);
});
afterAll(async () => {
  await cleanUp();
  await github.close();
});

/** Goes to GitHub, where this one is signed in. */
const goThrough = (browser: Browser, user: GithubUser, back?: (url: URL) => URL) => {
  github.user = user;
  return signInAt(browser, 'github', { back });
};

test('an invited person signs in with GitHub, and is the same one after the address has changed there', async () => {
  await invitation(admin, 'jo@example.com');
  const browser = createBrowser(studio);
  expect((await goThrough(browser, JO)).href).toBe(`${PUBLIC_URL}/library`);
  expect(await whoIs(browser)).toMatchObject({ user: { name: 'jo', email: 'jo@example.com', role: 'user' } });
  const again = createBrowser(studio);
  await goThrough(again, { ...JO, emails: [{ email: 'new@example.com', primary: true, verified: true }] });
  expect(await whoIs(again)).toMatchObject({ user: { email: 'jo@example.com' } });
  const accounts = await studio.db
    .selectFrom('accounts')
    .selectAll()
    .where('provider_id', '=', 'github')
    .execute();
  expect(accounts).toMatchObject([{ account_id: '4711', password: null }]);
  const audit = await studio.db
    .selectFrom('audit_log')
    .select(['action', 'details'])
    .where(sql<boolean>`details ->> 'via' = 'github'`)
    .execute();
  expect(audit.map(({ action }) => action).toSorted()).toEqual([
    'session.started',
    'session.started',
    'user.signed_up',
  ]);
});

test('who has an account here is recognised by the verified address', async () => {
  const here = await person(studio, admin, 'kim@example.com');
  const browser = createBrowser(studio);
  const kim = {
    id: 5,
    login: 'kim',
    name: 'Kim',
    emails: [{ email: 'kim@example.com', primary: true, verified: true }],
  };
  await goThrough(browser, kim);
  expect(await whoIs(browser)).toMatchObject({ user: ((await whoIs(here)) as { user: object }).user });
});

test.each<[string, string, string]>([
  ['a NUL', 'Kim\u0000 Lee', 'Kim Lee'],
  ['line breaks', 'Kim\r\nBcc: all@example.com', 'Kim Bcc: all@example.com'],
  ['no end', 'k'.repeat(100_000), 'k'.repeat(100)],
  ['nothing to see', ' \u0007 ', 'kim'],
])('a name with %s becomes one that could be given here', async (what, name, shown) => {
  const address = `${what.replaceAll(' ', '-')}@example.com`;
  await invitation(admin, address);
  const browser = createBrowser(studio);
  await goThrough(browser, { id: 1000 + shown.length, login: 'kim', name, emails: email(address, true) });
  expect(await whoIs(browser)).toMatchObject({ user: { email: address.toLowerCase(), name: shown } });
});

const email = (address: string, verified: boolean) => [{ email: address, primary: true, verified }];

test.each<[string, string, GithubUser]>([
  ['somebody who was not invited', 'sign_up_closed', { ...JO, id: 6, emails: email('x@example.com', true) }],
  [
    'a known address that is not verified',
    'account_not_linked',
    { ...JO, id: 7, emails: email('lea@example.com', false) },
  ],
  ['somebody without an address', 'unable_to_get_user_info', { ...JO, id: 8, emails: [] }],
])('%s is not signed in', async (_what, code, user) => {
  const known = await studio.db
    .selectFrom('users')
    .select('id')
    .where('email', '=', 'lea@example.com')
    .execute();
  if (known.length === 0) await person(studio, admin, 'lea@example.com');
  const browser = createBrowser(studio);
  expect((await goThrough(browser, user)).searchParams.get('error')).toBe(code);
  expect(await whoIs(browser)).toBeNull();
});

test('a code that GitHub does not know, or that this browser did not ask for, signs nobody in', async () => {
  const browser = createBrowser(studio);
  const end = await goThrough(browser, JO, (url) => {
    url.searchParams.set('code', 'made-up');
    return url;
  });
  expect(end.searchParams.get('error')).toEqual(expect.any(String));
  expect(await whoIs(browser)).toBeNull();
  let stolen: URL | undefined;
  await goThrough(createBrowser(studio), JO, (url) => {
    stolen = new URL(url);
    url.searchParams.set('state', 'made-up');
    return url;
  });
  const victim = createBrowser(studio);
  await victim.send('GET', `${stolen?.pathname}${stolen?.search}`);
  expect(await whoIs(victim)).toBeNull();
});
