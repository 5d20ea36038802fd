import { describe, expect, test } from 'vitest';
import {
  type Browser,
  codeOf,
  createBrowser,
  firstAdmin,
  invitation,
  PASSWORD,
  person,
  PUBLIC_URL,
} from './accounts-kit.ts';
import { useTestApp } from './create-test-app.ts';

const shared = useTestApp({ PUBLIC_URL, TRUST_PROXY: 'loopback' });
let made: Promise<Awaited<ReturnType<typeof firstAdmin>>> | undefined;
const admin = () => (made ??= firstAdmin(shared()));
let count = 0;
const fresh = () => `person-${(count += 1)}@example.com`;
const somebody = async (email = fresh()) => person(shared(), await admin(), email);
const signIn = (browser: Browser, email: string, password = PASSWORD) =>
  browser.send('POST', 'auth/sign-in', { email, password });

describe('signing in', () => {
  test('an unknown address, a wrong password and somebody locked out are answered alike', async () => {
    const email = fresh();
    const locked = fresh();
    await somebody(email);
    await somebody(locked);
    await shared()
      .db.updateTable('users')
      .set({ disabled_at: new Date() })
      .where('email', '=', locked)
      .execute();
    const answers = await Promise.all(
      [
        [fresh(), PASSWORD],
        [email, 'not the password'],
        [locked, PASSWORD],
      ].map(([who = '', password]) => signIn(createBrowser(shared()), who, password)),
    );
    const shown = answers.map((answer) => {
      const { error, ...rest } = answer.json<{ error: { requestId: string } }>();
      return JSON.stringify([
        answer.statusCode,
        rest,
        { ...error, requestId: '' },
        answer.headers['set-cookie'],
      ]);
    });
    expect(new Set(shown).size).toBe(1);
    expect(answers[0]?.statusCode).toBe(401);
    expect(codeOf(answers[0]!)).toBe('wrong_credentials');
  });

  test('guessing is slowed down, more and more; the right password works for others and from elsewhere', async () => {
    const { clock } = shared();
    const [email, other] = [fresh(), fresh()];
    await somebody(email);
    await somebody(other);
    const thief = createBrowser(shared(), { address: '198.51.100.1' });
    for (const unknown of [email, fresh()]) {
      for (let tries = 1; tries <= 5; tries += 1)
        expect((await signIn(thief, unknown, 'guess')).statusCode).toBe(401);
      const slowed = await signIn(thief, unknown, PASSWORD);
      expect([slowed.statusCode, codeOf(slowed)]).toEqual([429, 'too_many_attempts']);
      expect(slowed.headers['retry-after']).toBe('1');
    }
    const waits: unknown[] = [];
    for (const seconds of [1, 2, 4, 8]) {
      await clock.advance(seconds * 1000);
      expect((await signIn(thief, email, 'guess')).statusCode).toBe(401);
      waits.push((await signIn(thief, email, 'guess')).headers['retry-after']);
    }
    expect(waits).toEqual(['2', '4', '8', '16']);
    expect((await signIn(thief, other)).statusCode).toBe(200);
    expect((await signIn(createBrowser(shared(), { address: '203.0.113.5' }), email)).statusCode).toBe(200);
    await clock.advance(16_000);
    expect((await signIn(thief, email)).statusCode).toBe(200);
    for (let tries = 1; tries <= 5; tries += 1)
      expect((await signIn(thief, email, 'guess')).statusCode).toBe(401);
  });

  test('a proxy on this machine says who asks; others are not believed', async () => {
    const proxy = createBrowser(shared(), { address: '127.0.0.1' });
    const direct = createBrowser(shared(), { address: '198.51.100.9' });
    const [behind, liar] = [fresh(), fresh()];
    const guess = (browser: typeof proxy, email: string, from: string) =>
      browser.send('POST', 'auth/sign-in', { email, password: 'guess' }, { 'x-forwarded-for': from });
    for (let tries = 0; tries < 5; tries += 1) {
      expect((await guess(proxy, behind, '203.0.113.1')).statusCode).toBe(401);
      expect((await guess(direct, liar, `203.0.113.${tries}`)).statusCode).toBe(401);
    }
    expect((await guess(proxy, behind, '203.0.113.1')).statusCode).toBe(429);
    expect((await guess(proxy, behind, '203.0.113.2')).statusCode).toBe(401);
    expect((await guess(direct, liar, '203.0.113.9')).statusCode).toBe(429);
  });

  test('many guesses at once gain nothing', async () => {
    const thief = createBrowser(shared(), { address: '198.51.100.2' });
    const email = fresh();
    const answers = await Promise.all(Array.from({ length: 12 }, () => signIn(thief, email, 'guess')));
    expect(answers.filter(({ statusCode }) => statusCode === 401).length).toBe(5);
    expect(answers.filter(({ statusCode }) => statusCode === 429).length).toBe(7);
  });

  test('one address that tries many accounts is slowed down too', async () => {
    const thief = createBrowser(shared(), { address: '2001:db8:1:2::1' });
    const now = new Date(shared().clock.now());
    await signIn(thief, fresh(), 'guess');
    await shared()
      .db.updateTable('sign_in_attempts')
      .set({ attempts: 50, last_at: now, blocked_until: new Date(now.getTime() + 60_000) })
      .where('key', '=', 'address 2001:db8:1:2::/64')
      .execute();
    const neighbour = createBrowser(shared(), { address: '2001:db8:1:2:ffff::1' });
    expect((await signIn(neighbour, fresh(), 'guess')).statusCode).toBe(429);
  });
});

describe('invitations', () => {
  test('only an admin invites, the link serves once, a revoked or expired one not at all', async () => {
    const { clock } = shared();
    const user = await somebody();
    const refused = await user.send('POST', 'auth/invitations', { email: fresh() });
    expect([refused.statusCode, codeOf(refused)]).toEqual([403, 'forbidden']);
    expect((await user.send('GET', 'auth/invitations')).statusCode).toBe(403);

    const email = fresh();
    const first = await invitation(await admin(), email);
    const second = await invitation(await admin(), email);
    const accept = (token: string) =>
      createBrowser(shared()).send('POST', 'auth/sign-up/accept', { token, name: 'X', password: PASSWORD });
    expect(codeOf(await accept(first))).toBe('invalid_link');
    const both = await Promise.all([accept(second), accept(second)]);
    expect(both.map(({ statusCode }) => statusCode).sort()).toEqual([201, 400]);
    expect(
      codeOf(await (await admin()).send('POST', 'auth/invitations', { email: email.toUpperCase() })),
    ).toBe('account_exists');

    const revoked = await invitation(await admin(), fresh());
    const list = await (await admin()).data<{ invitationId: string }[]>('GET', 'auth/invitations');
    await (await admin()).data('DELETE', `auth/invitations/${list[0]?.invitationId}`);
    expect(codeOf(await accept(revoked))).toBe('invalid_link');

    const late = await invitation(await admin(), fresh());
    expect(JSON.stringify(await shared().db.selectFrom('invitations').selectAll().execute())).not.toContain(
      late,
    );
    await clock.advance(7 * 24 * 3600_000);
    expect(codeOf(await accept(late))).toBe('invalid_link');
  });

  test('without one nobody signs up', async () => {
    const response = await createBrowser(shared()).send('POST', 'auth/sign-up', {
      name: 'X',
      email: fresh(),
      password: PASSWORD,
    });
    expect([response.statusCode, codeOf(response)]).toEqual([403, 'sign_up_closed']);
  });
});

test('a change of the password needs the old one, and ends every other session', async () => {
  const email = fresh();
  const browser = await somebody(email);
  const other = createBrowser(shared());
  await signIn(other, email);
  const change = (currentPassword: string, newPassword: string) =>
    browser.send('POST', 'auth/password/change', { currentPassword, newPassword });
  expect(codeOf(await change('not this', 'a new password'))).toBe('wrong_password');
  expect(codeOf(await change(PASSWORD, 'short'))).toBe('invalid_request');
  expect((await change(PASSWORD, 'a new password')).statusCode).toBe(200);
  expect((await other.send('GET', 'videos')).statusCode).toBe(401);
  expect((await browser.send('GET', 'videos')).statusCode).toBe(200);
  expect((await signIn(other, email)).statusCode).toBe(401);
  expect((await signIn(other, email, 'a new password')).statusCode).toBe(200);
});

test('of two changes of a password at the same moment one counts', async () => {
  const email = fresh();
  const browser = await somebody(email);
  const wishes = ['the first wish', 'the second wish'];
  const answers = await Promise.all(
    wishes.map((newPassword) =>
      browser.send('POST', 'auth/password/change', { currentPassword: PASSWORD, newPassword }),
    ),
  );
  expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([200, 403]);
  const works = await Promise.all(
    wishes.map(async (wish) => (await signIn(createBrowser(shared()), email, wish)).statusCode),
  );
  expect(works).toEqual(answers.map(({ statusCode }) => (statusCode === 200 ? 200 : 401)));
});

test('nothing of better-auth is reachable but what is registered', async () => {
  const browser = await admin();
  for (const [method, url] of [
    ['POST', 'auth/sign-up/email'],
    ['POST', 'auth/sign-in/email'],
    ['POST', 'auth/sign-in/social'],
    ['GET', 'auth/get-session'],
    ['POST', 'auth/update-user'],
    ['POST', 'auth/delete-user'],
    ['GET', 'auth/list-sessions'],
    ['GET', 'auth/ok'],
    ['POST', '/api/auth/sign-in/email'],
  ] as const)
    expect([url, (await browser.send(method, url, method === 'GET' ? undefined : {})).statusCode]).toEqual([
      url,
      404,
    ]);
});

test('acts of power are in the audit log', async () => {
  const email = fresh();
  const browser = await somebody(email);
  await signIn(createBrowser(shared()), email, 'wrong');
  await browser.data('POST', 'auth/sign-out');
  const { id } = await shared()
    .db.selectFrom('users')
    .select('id')
    .where('email', '=', email)
    .executeTakeFirstOrThrow();
  const rows = await shared()
    .db.selectFrom('audit_log')
    .select(['action', 'address', 'actor_id'])
    .where((eb) => eb.or([eb('actor_id', '=', id), eb('subject_id', '=', id)]))
    .orderBy('id')
    .execute();
  expect(rows.map(({ action }) => action)).toEqual([
    'user.signed_up',
    'session.started',
    'session.refused',
    'session.ended',
  ]);
  expect(new Set(rows.map(({ address }) => address))).toEqual(new Set(['192.0.2.10']));
});
