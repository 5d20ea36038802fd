import { expect, test } from 'vitest';
import { loadConfig } from '../src/config.ts';
import { networkOf } from '../src/http/rate-limit-attempts.ts';
import { createMemoryCount } from '../src/http/rate-limit-count.ts';
import { createTestApp, useTestApp } from './create-test-app.ts';
import { holder, makeKey, person } from './keys-kit.ts';
import { createTestClock } from './test-clock.ts';

const LIST = '/api/v1/videos';
const shared = useTestApp({
  RATE_LIMIT_MAX: '4',
  CREATE_LIMIT_MAX: '2',
  USER_LIMIT_FACTOR: '1.5',
  AUTH_FAILURES_MAX: '3',
  TRUST_PROXY: '10.0.0.0/8',
});

/** As a proxy passes on what came from an address. */
function from(address: string, key: string, proxy = '10.1.2.3') {
  return shared().app.server.inject({
    method: 'GET',
    url: LIST,
    remoteAddress: proxy,
    headers: { authorization: `Bearer ${key}`, 'x-forwarded-for': address },
  });
}

test('every answer says what is left, in the words of the IETF and of OpenAI', async () => {
  const { request } = await person(shared());
  const first = await request('GET', LIST);
  expect(first.headers).toMatchObject({
    'ratelimit-limit': '4',
    'ratelimit-remaining': '3',
    'ratelimit-reset': '60',
    'x-ratelimit-limit-requests': '4',
    'x-ratelimit-remaining-requests': '3',
    'x-ratelimit-reset-requests': '1m0s',
  });
  expect(first.headers['retry-after']).toBeUndefined();
  // Also an answer that is a refusal counts and says so.
  expect((await request('GET', `${LIST}/video_x`)).headers['ratelimit-remaining']).toBe('2');
  const creating = await request('POST', LIST, { prompt: 'x' });
  expect(creating.headers).toMatchObject({ 'ratelimit-limit': '2', 'ratelimit-remaining': '1' });
  await request('GET', LIST);
  const fifth = await request('GET', LIST);
  expect(fifth.statusCode).toBe(429);
  expect(fifth.headers).toMatchObject({ 'ratelimit-remaining': '0', 'retry-after': '60' });
});

test('many keys of one person do not multiply what the person may do', async () => {
  const { app, clock, user } = shared();
  const caller = await user('many');
  const keys = [await makeKey(caller), await makeKey(caller), await makeKey(caller)];
  await clock.advance(60_000);
  const statuses: number[] = [];
  for (const { key } of keys) {
    for (let n = 0; n < 4; n += 1) statuses.push((await holder(app, key)('GET', LIST)).statusCode);
  }
  // Four by the first key, two more by the person, whose limit is six.
  expect(statuses).toEqual([200, 200, 200, 200, 200, 200, ...Array(6).fill(429)]);
  expect((await (await person(shared())).request('GET', LIST)).statusCode).toBe(200);
});

test('requests that are refused use nothing up', () => {
  const count = createMemoryCount(createTestClock());
  const both = [
    { name: 'key', max: 2 },
    { name: 'user', max: 3 },
  ];
  for (let n = 0; n < 50; n += 1) count(both, 1000);
  expect(count([{ name: 'user', max: 3 }], 1000).isAllowed).toBe(true);
  expect(count([{ name: 'user', max: 3 }], 1000).isAllowed).toBe(false);
});

test('trying keys is slowed down by address, without shutting out those who are known', async () => {
  const { clock } = shared();
  await clock.advance(60_000);
  const [known, fresh] = [await person(shared()), await person(shared())];
  expect((await from('203.0.113.1', known.key)).statusCode).toBe(200);
  for (let n = 0; n < 3; n += 1) expect((await from('203.0.113.1', `guess-${n}`)).statusCode).toBe(401);
  const fourth = await from('203.0.113.1', 'guess-3');
  expect(fourth.statusCode).toBe(429);
  expect(fourth.headers['retry-after']).toBe('60');
  // Even the right key is not looked up any more: otherwise guessing would go on.
  expect((await from('203.0.113.1', fresh.key)).statusCode).toBe(429);
  await clock.advance(1500);
  expect((await from('203.0.113.1', known.key)).statusCode).toBe(200);
  expect((await from('203.0.113.2', fresh.key)).statusCode).toBe(200);
  await clock.advance(60_000);
  expect((await from('203.0.113.1', 'guess-4')).statusCode).toBe(401);
});

test('the same wrong key over and over is slowed down too; no key at all is not', async () => {
  const { app, clock } = shared();
  await clock.advance(60_000);
  const statuses: number[] = [];
  for (let n = 0; n < 5; n += 1) statuses.push((await from('203.0.113.9', 'wrong')).statusCode);
  expect(statuses).toEqual([401, 401, 401, 429, 429]);
  for (let n = 0; n < 5; n += 1) {
    expect((await app.server.inject({ method: 'GET', url: LIST })).statusCode).toBe(401);
  }
});

test('what a client says of its address is believed from a trusted proxy alone', async () => {
  await shared().clock.advance(60_000);
  // No proxy of ours: each of these comes from 198.51.100.1, whatever it says.
  const statuses: number[] = [];
  for (let n = 0; n < 4; n += 1)
    statuses.push((await from(`203.0.113.${n}`, 'x', '198.51.100.1')).statusCode);
  expect(statuses).toEqual([401, 401, 401, 429]);
});

test('without TRUST_PROXY the address is that of the connection', async () => {
  const { app } = await createTestApp({ AUTH_FAILURES_MAX: '1' });
  const ask = (address: string) =>
    app.server.inject({
      method: 'GET',
      url: LIST,
      headers: { 'x-api-key': 'wrong', 'x-forwarded-for': address },
    });
  expect((await ask('203.0.113.1')).statusCode).toBe(401);
  expect((await ask('203.0.113.2')).statusCode).toBe(429);
});

test.each([
  ['203.0.113.7', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['2001:db8:1:2:aaaa:bbbb:cccc:dddd', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('%s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test.each([
  ['off', false],
  ['true', true],
  ['loopback, 10.0.0.0/8,fd00::/8', ['loopback', '10.0.0.0/8', 'fd00::/8']],
])('TRUST_PROXY=%s is understood', (text, value) => {
  expect(loadConfig({ TRUST_PROXY: text }).http.trustProxy).toEqual(value);
});

test.each(['1', 'maybe', '10.0.0.0/33', '300.1.1.1', '10.0.0.0/8/8'])('TRUST_PROXY=%s is refused', (text) => {
  expect(() => loadConfig({ TRUST_PROXY: text })).toThrow();
});
