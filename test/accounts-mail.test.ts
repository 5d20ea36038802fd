import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { createMailer } from '../src/accounts/mail.ts';
import { codeOf, createBrowser, firstAdmin, PASSWORD, PUBLIC_URL, tokenOf } from './accounts-kit.ts';
import { createTestApp, type TestApp } from './create-test-app.ts';
import { startSmtp } from './smtp.ts';

let smtp: Awaited<ReturnType<typeof startSmtp>>;
let studio: TestApp;
let admin: ReturnType<typeof createBrowser>;
let cleanUp = async () => {};

beforeAll(async () => {
  smtp = await startSmtp();
  const env = { PUBLIC_URL, SIGN_UP: 'open', SMTP_URL: smtp.url, MAIL_FROM: 'Studio <studio@example.com>' };
  studio = await createTestApp(env, (clean) => (cleanUp = clean));
  admin = await firstAdmin(studio);
});
afterAll(async () => {
  await cleanUp();
  await smtp.stop();
});
beforeEach(() => void smtp.mails.splice(0));

let count = 0;
const fresh = () => `mail-${(count += 1)}@example.com`;
const browser = () => createBrowser(studio);
const signUp = (email: string, password = PASSWORD, name = 'Eve') =>
  browser().send('POST', 'auth/sign-up', { name, email, password });
const accept = (token: string, password = PASSWORD) =>
  browser().send('POST', 'auth/sign-up/accept', { token, password });
const signIn = (email: string, password = PASSWORD) =>
  browser().send('POST', 'auth/sign-in', { email, password });
const mailed = async () => {
  await studio.app.accounts.settled();
  return smtp.mails.splice(0);
};
const shown = (response: Awaited<ReturnType<typeof signUp>>) => [
  response.statusCode,
  response.json(),
  response.headers['set-cookie'],
];

test('who signs up proves the address, with the password they chose', async () => {
  const email = fresh();
  expect((await signUp(email.replace('mail', 'Mail'))).statusCode).toBe(202);
  // Nobody is a user yet.
  expect((await signIn(email)).statusCode).toBe(401);
  const [mail, ...more] = await mailed();
  expect([mail?.to.toLowerCase(), more]).toEqual([email, []]);
  expect(mail?.text).toContain('From: Studio <studio@example.com>');
  const token = tokenOf(mail?.text ?? '');
  expect(mail?.text).toContain(`${PUBLIC_URL}/sign-up#token=${token}`);
  // Somebody else's link is of no use to the owner of the address by accident, and to its sender neither.
  expect(codeOf(await accept(token, 'another password'))).toBe('wrong_credentials');
  const accepted = await accept(token);
  expect([accepted.statusCode, accepted.json()]).toMatchObject([
    201,
    { data: { user: { email, name: 'Eve' } } },
  ]);
  expect(codeOf(await accept(token))).toBe('invalid_link');
  expect((await signIn(email.toUpperCase())).statusCode).toBe(200);
});

test('a known address is answered like an unknown one, and nothing changes', async () => {
  const email = fresh();
  await signUp(email);
  await accept(tokenOf((await mailed())[0]?.text ?? ''));
  const before = await studio.db.selectFrom('users').selectAll().where('email', '=', email).execute();
  const [known, unknown] = [await signUp(email, 'another password'), await signUp(fresh())];
  expect(shown(known)).toEqual(shown(unknown));
  const mails = await mailed();
  const told = mails.find(({ to }) => to === email);
  expect(told?.text).toContain('has an account already');
  expect(told?.text).not.toContain('#token=');
  expect(await studio.db.selectFrom('users').selectAll().where('email', '=', email).execute()).toEqual(
    before,
  );
  expect((await signIn(email, 'another password')).statusCode).toBe(401);
  expect((await signIn(email)).statusCode).toBe(200);
});

test('two who asked for the same address: the first link makes the account, the other is void', async () => {
  const email = fresh();
  await signUp(email, 'the password of one');
  const [one] = await mailed();
  await signUp(email, 'the password of another');
  const [another] = await mailed();
  expect((await accept(tokenOf(another?.text ?? ''), 'the password of another')).statusCode).toBe(201);
  expect(codeOf(await accept(tokenOf(one?.text ?? ''), 'the password of one'))).toBe('invalid_link');
  expect((await signIn(email, 'the password of one')).statusCode).toBe(401);
});

test('a forgotten password: the same answer for everybody, one link, once, and all sessions end', async () => {
  const email = fresh();
  await signUp(email);
  const person = createBrowser(studio);
  await person.data('POST', 'auth/sign-up/accept', {
    token: tokenOf((await mailed())[0]?.text ?? ''),
    password: PASSWORD,
  });
  const forgot = (who: string) => browser().send('POST', 'auth/password/forgot', { email: who });
  const [known, unknown] = [await forgot(email), await forgot(fresh())];
  expect(shown(known)).toEqual(shown(unknown));
  expect(known.statusCode).toBe(202);
  const mails = await mailed();
  expect(mails.map(({ to }) => to)).toEqual([email]);
  const token = tokenOf(mails[0]?.text ?? '');
  expect(JSON.stringify(await studio.db.selectFrom('verifications').selectAll().execute())).not.toContain(
    token,
  );
  const reset = (with_: string, password: string) =>
    browser().send('POST', 'auth/password/reset', { token: with_, password });
  expect(codeOf(await reset('wrong', 'a new password'))).toBe('invalid_link');
  expect(codeOf(await reset(token, 'short'))).toBe('invalid_request');
  expect((await person.send('GET', 'videos')).statusCode).toBe(200);
  expect((await reset(token, 'a new password')).statusCode).toBe(200);
  expect((await person.send('GET', 'videos')).statusCode).toBe(401);
  expect(codeOf(await reset(token, 'a newer password'))).toBe('invalid_link');
  expect((await signIn(email)).statusCode).toBe(401);
  expect((await signIn(email, 'a new password')).statusCode).toBe(200);
  const actions = await studio.db.selectFrom('audit_log').select('action').execute();
  expect(actions.map(({ action }) => action)).toContain('password.reset');
});

test('invitations are mailed, and not shown to who sent them', async () => {
  const email = fresh();
  const sent = await admin.data<{ link: string | null }>('POST', 'auth/invitations', { email });
  expect(sent.link).toBeNull();
  const [mail] = await mailed();
  expect(mail?.to).toBe(email);
  const team = await admin.data<{ teamId: string }>('POST', 'teams', { name: 'Film\u00e9' });
  const invited = await admin.data<{ link: null; invitationId: string }>(
    'POST',
    `teams/${team.teamId}/invitations`,
    { email },
  );
  expect(invited.link).toBeNull();
  expect((await mailed())[0]?.text).toContain(invited.invitationId);
  const who = createBrowser(studio);
  await who.data('POST', 'auth/sign-up/accept', {
    token: tokenOf(mail?.text ?? ''),
    name: 'Fay',
    password: PASSWORD,
  });
  expect(await who.data('GET', 'team-invitations')).toMatchObject([{ team: 'Film\u00e9', invitedBy: 'Ada' }]);
});

test.each([
  ['a line break in the name', { name: 'Eve\r\nBcc: all@example.com' }],
  ['a line break in the address', { email: 'eve@example.com\r\nBcc: all@example.com' }],
  ['two addresses', { email: 'eve@example.com, all@example.com' }],
  ['an empty name', { name: '   ' }],
  ['a short password', { password: 'short' }],
  ['a password too long to hash in time', { password: 'x'.repeat(129) }],
  ['a field that does not exist', { role: 'admin' }],
])('%s is refused, and nothing is mailed', async (_what, wrong) => {
  const body = { name: 'Eve', email: fresh(), password: PASSWORD, ...wrong };
  expect((await browser().send('POST', 'auth/sign-up', body)).statusCode).toBe(400);
  expect(await mailed()).toEqual([]);
});

test('mails cannot be asked for without end from one address', async () => {
  const flood = createBrowser(studio, { address: '198.51.100.77' });
  const codes: number[] = [];
  for (let asked = 0; asked < 25; asked += 1)
    codes.push((await flood.send('POST', 'auth/password/forgot', { email: fresh() })).statusCode);
  expect(codes.filter((code) => code === 202).length).toBe(20);
  expect(codes.at(-1)).toBe(429);
  expect((await browser().send('POST', 'auth/password/forgot', { email: fresh() })).statusCode).toBe(202);
});

test('without a mail server the link goes to the log as a warning, and a server that is down fails nobody', async () => {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const log = pino(stream);
  const mail = { to: 'a@example.com', subject: 'A subject', text: 'Some text', link: 'http://x/#token=t' };
  const none = createMailer({ smtpUrl: undefined, from: 'x@example.com', log });
  await none.send(mail);
  expect(none.sends).toBe(false);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 40, link: mail.link, to: mail.to });
  const { Secret } = await import('../src/core/secret.ts');
  const down = createMailer({
    smtpUrl: new Secret('smtp://me:hidden@127.0.0.1:1'),
    from: 'x@example.com',
    log,
  });
  await down.send(mail);
  down.close();
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({ level: 50, subject: mail.subject });
  expect(lines[1]).not.toMatch(/token=|hidden/);
});
