import { Client } from 'pg';
import { expect, test } from 'vitest';
import { type Caller, SMALL, useTestApp } from './create-test-app.ts';

const app = useTestApp({ DATABASE_POOL_MAX: '9' });
const BODY = { ...SMALL, prompt: 'a secret prompt', name: 'a secret name' };

async function get<Data = Record<string, never>>(caller: Caller, url: string): Promise<Data> {
  const answer = await caller.request('GET', `/api/v1/admin/${url}`);
  expect(answer.statusCode, answer.body).toBe(200);
  return (answer.json() as { data: Data }).data;
}

const patch = (caller: Caller, id: string, payload: object) =>
  caller.inject({ method: 'PATCH', url: `/api/v1/admin/users/${id}`, payload });

async function person(name: string): Promise<{ caller: Caller; id: string }> {
  const caller = await app().user(name);
  const { users } = await get<{ users: { id: string }[] }>(app().admin, `users?q=${name}`);
  return { caller, id: users[0]?.id ?? '' };
}

interface Audit {
  entries: { actorId: string; action: string; subjectId: string; details: object; credentialId: string }[];
  nextCursor: string | null;
}

test('nobody but admins gets in', async () => {
  const { caller } = await person('curious');
  for (const url of [
    'users',
    'users/usr_admin',
    'jobs',
    'connections',
    'ledger',
    'settings',
    'audit',
    'usage',
  ])
    expect((await caller.request('GET', `/api/v1/admin/${url}`)).statusCode, url).toBe(403);
  expect((await patch(caller, 'usr_admin', { role: 'user' })).statusCode).toBe(403);
});

test('users are found, paged, and shown with what they have used', async () => {
  const { admin } = app();
  const { caller, id } = await person('Finda-Ble');
  await caller.create(BODY);
  const { users } = await get<{ users: Record<string, unknown>[] }>(admin, 'users?q=finda-b');
  expect(users).toMatchObject([{ id, name: 'Finda-Ble', role: 'user', jobs: 1, openJobs: 1, keys: 1 }]);
  expect((await get<{ users: unknown[] }>(admin, 'users?q=%25')).users).toEqual([]);
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: { users: { id: string }[]; nextCursor: string | null } = await get(
      admin,
      `users?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`,
    );
    seen.push(...page.users.map((user) => user.id));
    cursor = page.nextCursor;
  }
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen).toContain(id);
  expect(await get(admin, `users/${id}`)).toMatchObject({ id, apiKeys: [{ revokedAt: null }], teams: [] });
  expect((await admin.request('GET', '/api/v1/admin/users/usr_nobody')).statusCode).toBe(404);
});

test('a change of power is written down, told to every process, and counts at once', async () => {
  const { admin, clock, databaseUrl } = app();
  const { caller, id } = await person('powerful');
  const told: string[] = [];
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  client.on('notification', ({ payload = '' }) => told.push(payload));
  await client.query('listen accounts');
  expect((await patch(admin, id, { role: 'admin' })).statusCode).toBe(200);
  await clock.advance(1001);
  expect((await caller.request('GET', '/api/v1/admin/users')).statusCode).toBe(200);
  expect((await patch(admin, id, { name: 'renamed' })).statusCode).toBe(200);
  expect((await patch(admin, id, { disabled: true })).json()).toMatchObject({ data: { name: 'renamed' } });
  await clock.advance(1001);
  expect((await caller.request('GET', '/api/v1/videos')).statusCode).toBe(401);
  expect((await patch(admin, id, { disabled: false, role: 'user' })).statusCode).toBe(200);
  await clock.advance(1001);
  expect((await caller.request('GET', '/api/v1/videos')).statusCode).toBe(200);
  await client.query('select 1');
  await client.end();
  expect(told.length).toBeGreaterThanOrEqual(3);
  expect(new Set(told)).toEqual(new Set([id]));
  const { entries } = await get<Audit>(admin, `audit?subject=${id}&action=user.changed`);
  expect(entries.map(({ details }) => details)).toEqual([
    { role: ['admin', 'user'], disabled: [true, false] },
    { disabled: [false, true] },
    { name: ['powerful', 'renamed'] },
    { role: ['user', 'admin'] },
  ]);
  expect(entries[0]).toMatchObject({ actorId: 'usr_admin' });
});

test('what an admin takes or gives is gone or there when it is answered', async () => {
  const { admin } = app();
  const { caller, id } = await person('wavering');
  for (let round = 0; round < 10; round += 1) {
    for (const [role, status] of [
      ['admin', 200],
      ['user', 403],
    ] as const) {
      await patch(admin, id, { role });
      expect((await caller.request('GET', '/api/v1/admin/users')).statusCode, `${role}, ${round}`).toBe(
        status,
      );
    }
  }
});

test('nothing to change is nothing to write down', async () => {
  const { admin } = app();
  const { id } = await person('unchanged');
  expect((await patch(admin, id, { role: 'user' })).statusCode).toBe(200);
  expect((await get<Audit>(admin, `audit?subject=${id}`)).entries).toEqual([]);
  expect((await patch(admin, id, {})).statusCode).toBe(400);
  expect((await patch(admin, id, { email: 'x' })).statusCode).toBe(400);
});

test('the last admin stays one, also when two would demote each other at once', async () => {
  const { admin } = app();
  for (const change of [{ role: 'user' }, { disabled: true }]) {
    const answer = await patch(admin, 'usr_admin', change);
    expect([answer.statusCode, answer.json()]).toMatchObject([409, { error: { code: 'last_admin' } }]);
  }
  for (const change of [{ role: 'user' }, { disabled: true }]) {
    const { caller, id } = await person(`rival-${JSON.stringify(change).length}`);
    await patch(admin, id, { role: 'admin' });
    expect((await caller.request('GET', '/api/v1/admin/users')).statusCode).toBe(200);
    const answers = await Promise.all([patch(admin, id, change), patch(caller, 'usr_admin', change)]);
    expect(answers.filter(({ statusCode }) => statusCode === 200)).toHaveLength(1);
    expect(answers.filter(({ statusCode }) => [401, 403, 409].includes(statusCode))).toHaveLength(1);
    const admins = await app()
      .db.selectFrom('users')
      .select('id')
      .where('role', '=', 'admin')
      .where('disabled_at', 'is', null)
      .execute();
    expect(admins).toHaveLength(1);
    await app()
      .db.updateTable('users')
      .set({ role: 'admin', disabled_at: null })
      .where('id', '=', 'usr_admin')
      .execute();
    await app().db.updateTable('users').set({ role: 'user' }).where('id', '=', id).execute();
    await app().clock.advance(1001);
  }
});

test('jobs of everybody are listed without what their owners wrote; opening one is written down', async () => {
  const { admin, clock } = app();
  const { caller, id } = await person('writer');
  const { jobId } = await caller.create({ ...BODY, tags: ['secret-tag'] });
  await clock.advance(1000);
  const second = await caller.create(BODY);
  const list = await admin.request('GET', `/api/v1/admin/jobs?owner=${id}&limit=1`);
  const { jobs, nextCursor } = (list.json() as { data: { jobs: object[]; nextCursor: string } }).data;
  expect(jobs).toMatchObject([{ jobId: second.jobId, ownerId: id, userId: id, status: 'pending' }]);
  const rest = await admin.request('GET', `/api/v1/admin/jobs?owner=${id}&cursor=${nextCursor}`);
  expect(rest.json()).toMatchObject({ data: { jobs: [{ jobId }], nextCursor: null } });
  const closed = await admin.request('GET', `/api/v1/admin/jobs/${jobId}`);
  for (const { body } of [list, rest, closed]) expect(body).not.toContain('secret');
  expect(closed.json()).toMatchObject({ data: { jobId, opened: null, attempts: [] } });
  expect((await get<Audit>(admin, `audit?subject=${jobId}`)).entries).toEqual([]);
  expect(await get(admin, `jobs/${jobId}?open=true`)).toMatchObject({
    opened: { prompt: BODY.prompt, name: BODY.name, tags: ['secret-tag'] },
  });
  expect((await get<Audit>(admin, `audit?subject=${jobId}`)).entries).toMatchObject([
    { action: 'job.opened', actorId: 'usr_admin' },
  ]);
  for (const filter of [
    'status=completed',
    'model=none',
    'provider=none',
    'user=nobody',
    'from=2100-01-01T00:00:00Z',
  ])
    expect(await get(admin, `jobs?owner=${id}&${filter}`)).toMatchObject({ jobs: [] });
  expect((await admin.request('GET', '/api/v1/admin/jobs?status=lost')).statusCode).toBe(400);
  expect((await admin.request('GET', '/api/v1/admin/jobs?cursor=x')).statusCode).toBe(400);
  expect((await admin.request('GET', '/api/v1/admin/jobs/video_none?open=true')).statusCode).toBe(404);
});

test('connections say what they do and how it went lately', async () => {
  const { admin, finish } = app();
  await finish((await admin.create(SMALL)).jobId);
  await finish((await admin.create({ ...SMALL, prompt: '[sim:fail]' })).jobId);
  const [simulator] = await get<Record<string, unknown>[]>(admin, 'connections');
  expect(simulator).toMatchObject({
    name: 'simulator',
    models: ['simulator'],
    running: 0,
    workers: 1,
    maxRunning: 5,
    allowed: 5,
    free: 5,
    blockedUntil: null,
  });
  expect(simulator?.['lastHour']).toMatchObject({ failed: 1, errors: [{ count: 1 }] });
});

test('entries of the ledger are listed by what they are about', async () => {
  const { admin, db } = app();
  const { id } = await person('booked');
  const sides = { debit: `spent/${id}`, credit: 'owed/simulator', kind: 'charge' as const };
  const facts = { owner_id: id, connection: 'simulator', model: 'simulator', amount_micros: 5 };
  for (const job of ['video_a', 'video_b'])
    await db
      .insertInto('ledger')
      .values({ ...sides, ...facts, job_id: job, created_at: new Date(app().clock.now()) })
      .execute();
  await db
    .insertInto('balances')
    .values({ account: `spent/${id}`, micros: 10 })
    .execute();
  interface Ledger {
    entries: { jobId: string; amountUsd: number }[];
    balances: object;
    nextCursor: string;
  }
  const first = await get<Ledger>(admin, `ledger?owner=${id}&limit=1`);
  expect(first).toMatchObject({
    entries: [{ jobId: 'video_b', amountUsd: 0.000005 }],
    balances: { heldUsd: 0, spentUsd: 0.00001, owed: [{ provider: 'simulator', owedUsd: 0.00001 }] },
  });
  const next = await get<Ledger>(admin, `ledger?owner=${id}&cursor=${first.nextCursor}`);
  expect(next).toMatchObject({ entries: [{ jobId: 'video_a' }], nextCursor: null });
  for (const filter of ['job=none', 'kind=hold,correction', 'provider=none', 'to=2000-01-01T00:00:00Z'])
    expect(await get(admin, `ledger?owner=${id}&${filter}`)).toMatchObject({ entries: [] });
});

test('settings show what is in force, and no secret', async () => {
  const answer = await app().admin.request('GET', '/api/v1/admin/settings');
  const settings = (answer.json() as { data: { name: string; value: unknown; isDefault: boolean }[] }).data;
  const of = (name: string) => settings.find((setting) => setting.name === name);
  expect(of('API_KEY')).toMatchObject({ value: '[redacted]', isDefault: false });
  expect(of('DATABASE_POOL_MAX')).toMatchObject({ value: 9, isDefault: false });
  expect(of('MAX_RUNNING')).toMatchObject({ value: 5, isDefault: true });
  expect(answer.body).not.toContain(app().admin.key);
});

test('prices, decisions and rounds of retention are written down', async () => {
  const { admin, settle } = app();
  const price = { provider: 'simulator', model: 'simulator', pricePerSecondUsd: 0 };
  await admin.request('POST', '/api/v1/admin/prices', price);
  await admin.request('POST', '/api/v1/admin/prices', price);
  await admin.request('POST', '/api/v1/admin/retention/run', {});
  const { entries } = await get<Audit>(admin, 'audit?actor=usr_admin&limit=3');
  expect(entries.map(({ action }) => action)).toEqual(['retention.run', 'retention.started', 'price.set']);
  expect(entries[2]?.details).toMatchObject(price);
  const { jobId } = await admin.create({ ...SMALL, prompt: '[sim:stuck]' });
  await settle();
  const { db } = app();
  await db
    .updateTable('attempts')
    .set({ state: 'unconfirmed', operation: null })
    .where('job_id', '=', jobId)
    .execute();
  await db.updateTable('jobs').set({ stage: 'needs_attention' }).where('id', '=', jobId).execute();
  const decided = await admin.request('POST', `/api/v1/admin/jobs/${jobId}/decision`, { decision: 'fail' });
  expect(decided.statusCode, decided.body).toBe(200);
  expect((await get<Audit>(admin, `audit?subject=${jobId}`)).entries).toMatchObject([
    { action: 'job.decided', details: { decision: 'fail' } },
  ]);
});

test('the proof of the books is a figure, computed now and then and not with each look', async () => {
  const { admin, app: studio, clock, db } = app();
  const figures = async () =>
    ((await admin.request('GET', '/metrics')).json() as { ledger: object | null }).ledger;
  const text = async () => (await admin.inject({ url: '/metrics', headers: { accept: 'text/plain' } })).body;
  expect(await figures()).toBeNull();
  expect(await text()).not.toMatch(/^sora_ledger_problems/m);
  await db.insertInto('balances').values({ account: 'spent/nobody', micros: 7 }).execute();
  expect(await studio.ledgerWatch.step()).toBe(true);
  const before = (await text()).match(/^sora_ledger_imbalance_micros (\d+)$/m)?.[1];
  expect(Number(before)).toBeGreaterThanOrEqual(7);
  await db.deleteFrom('balances').where('account', '=', 'spent/nobody').execute();
  expect(await studio.ledgerWatch.step()).toBe(false);
  expect((await text()).match(/^sora_ledger_imbalance_micros (\d+)$/m)?.[1]).toBe(before);
  await clock.advance(30 * 60_000);
  expect(await studio.ledgerWatch.step()).toBe(true);
  expect(Number((await text()).match(/^sora_ledger_imbalance_micros (\d+)$/m)?.[1])).toBe(Number(before) - 7);
  expect(await figures()).toMatchObject({ imbalanceUsd: 0 });
});
