import * as fc from 'fast-check';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { checkLedger } from '../src/usage/ledger-check.repository.ts';
import { foldUsage } from '../src/usage/rollup.repository.ts';
import { type Caller, createTestApp, SMALL, type TestApp, useTestApp } from './create-test-app.ts';
import { startSimulator } from './start-simulator.ts';

const MANY = { BATCH_MAX_VIDEOS: '20', CREATE_LIMIT_MAX: '100000', RATE_LIMIT_MAX: '1000000' };
const app = useTestApp(MANY);

interface Figures {
  jobs: { created: number; completed: number; failed: number; cancelled: number };
  seconds: number;
  estimatedUsd: number;
  heldUsd: number;
  chargedUsd: number;
  correctedUsd: number;
}

interface Report {
  groups: (Figures & Record<string, string | null>)[];
  total: Figures;
  pagination: { total: number };
}

async function report(caller: Caller, query: string, path = '/api/v1/usage'): Promise<Report> {
  const answer = await caller.request('GET', `${path}?${query}`);
  expect(answer.statusCode, answer.body).toBe(200);
  return (answer.json() as { data: Report }).data;
}

const BODY = { ...SMALL, model: 'simulator', duration: 3 };
const PRICED = { prompt: 'x', model: 'simulator', resolution: '854x480', duration: 3 };

/** An app of its own, in front of a provider that says nothing about costs: what is set here is charged. */
async function pricedApp(): Promise<TestApp> {
  const upstream = await startSimulator(['--speed', '50']);
  const priced = await createTestApp({ ...MANY, OPENAI_BASE_URL: upstream.url, SIMULATOR: 'off' });
  const body = { provider: 'openai', model: 'simulator', pricePerSecondUsd: 0.123457 };
  expect((await priced.admin.request('POST', '/api/v1/admin/prices', body)).statusCode).toBe(201);
  return priced;
}

const usd = (micros: number) => micros / 1e6;
const ALL = 'from=2020-01-01';

test('jobs are counted when they are created and when they end, money when it moves, before and after folding', async () => {
  const { finish, user, db } = await pricedApp();
  const me = await user('counted');
  const { jobId } = await me.create(PRICED);
  const failing = await me.create({ ...PRICED, prompt: '[sim:fail]' });
  const waiting = await report(me, ALL);
  expect(waiting.total).toMatchObject({
    jobs: { created: 2, completed: 0, failed: 0, cancelled: 0 },
    estimatedUsd: 0.740742,
    heldUsd: 0.740742,
    chargedUsd: 0,
  });
  await finish(jobId);
  await finish(failing.jobId);
  const ended = await report(me, ALL);
  expect(ended.total).toMatchObject({
    jobs: { created: 2, completed: 1, failed: 1, cancelled: 0 },
    seconds: 3,
    estimatedUsd: 0.740742,
    heldUsd: 0,
    chargedUsd: 0.370371,
  });
  expect(await foldUsage(db)).toBeGreaterThan(0);
  expect(await foldUsage(db)).toBe(0);
  expect(await report(me, ALL)).toEqual(ended);
});

test('a report is about the caller’s own space; an admin’s about everybody or one', async () => {
  const { admin, user, db } = app();
  const [me, other] = [await user('own-space'), await user('other-space')];
  const { jobId } = await me.create(BODY);
  const { owner_id: owner } = await db
    .selectFrom('jobs')
    .select('owner_id')
    .where('id', '=', jobId)
    .executeTakeFirstOrThrow();
  expect((await report(me, ALL)).total.jobs.created).toBe(1);
  expect((await report(other, ALL)).groups).toEqual([]);
  expect((await me.request('GET', '/api/v1/admin/usage')).statusCode).toBe(403);
  expect((await me.request('GET', `/api/v1/usage?owner=${owner}`)).statusCode).toBe(400);
  for (const filter of [`owner=${owner}`, `user=${owner}`]) {
    expect((await report(admin, `${ALL}&${filter}`, '/api/v1/admin/usage')).total.jobs.created).toBe(1);
  }
  const users = await report(admin, `${ALL}&groupBy=user`, '/api/v1/admin/usage');
  expect(users.groups.find((group) => group['user'] === owner)?.jobs.created).toBe(1);
});

test('days and months are those of the time zone, whole or in part', async () => {
  const { clock, user, db } = app();
  const me = await user('zones');
  // 17:50 UTC: in Kathmandu, 5:45 ahead, 23:35 of the same day.
  const now = new Date(clock.now());
  const wanted = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 0, 17, 50);
  await clock.advance(wanted - clock.now());
  await me.create(BODY);
  await clock.advance(30 * 60_000);
  await me.create(BODY);
  const days = async (zone: string, more = '') =>
    (await report(me, `${ALL}&timeZone=${zone}${more}`)).groups.map(({ day, jobs }) => [day, jobs.created]);
  const last = new Date(wanted).toISOString().slice(0, 10);
  const next = new Date(wanted + 24 * 3600_000).toISOString().slice(0, 10);
  for (const folded of [false, true]) {
    if (folded) await foldUsage(db);
    expect(await days('UTC')).toEqual([[last, 2]]);
    expect(await days('Asia/Kathmandu')).toEqual([
      [last, 1],
      [next, 1],
    ]);
    expect(await days('Asia/Kathmandu', `&to=${next}`)).toEqual([[last, 1]]);
    expect(await days('UTC', `&to=${last}T18:00:00Z`)).toEqual([[last, 1]]);
    const months = await report(me, `${ALL}&timeZone=Asia/Kathmandu&groupBy=month,model`);
    expect(months.groups.map(({ month }) => month)).toEqual([last.slice(0, 7), next.slice(0, 7)]);
  }
  // Another zone than those that have been summed up, and one more than there may be.
  await sql`insert into usage_zones (name) select 'Etc/' || n from generate_series(1, 30) as n`.execute(db);
  expect(await days('Asia/Tokyo')).toEqual([[next, 2]]);
  await sql`delete from usage_zones where name like 'Etc/%'`.execute(db);
});

test('what is in no batch is everything less what is in one', async () => {
  const { admin, user, db } = app();
  const me = await user('batches');
  const videos = [BODY, BODY, { ...BODY, duration: 2 }];
  const made = await me.request('POST', '/api/v1/videos/batch', { videos });
  const { batchId } = (made.json() as { data: { batchId: string } }).data;
  await me.create(BODY);
  for (const folded of [false, true]) {
    if (folded) await foldUsage(db);
    for (const groupBy of ['batch', 'batch,model', 'day,batch']) {
      const { groups, total } = await report(me, `${ALL}&groupBy=${groupBy}`);
      expect(Object.fromEntries(groups.map(({ batch, jobs }) => [batch, jobs.created]))).toEqual({
        [batchId]: 3,
        null: 1,
      });
      expect(total.jobs.created).toBe(4);
    }
  }
  expect((await report(admin, `${ALL}&groupBy=team`, '/api/v1/admin/usage')).groups).toHaveLength(1);
});

test('pages follow one another, and the total is that of all of them', async () => {
  const { user, clock } = app();
  const me = await user('pages');
  for (let day = 0; day < 3; day += 1) {
    await me.create(BODY);
    await clock.advance(24 * 3600_000);
  }
  const first = await report(me, `${ALL}&limit=2`);
  const second = await report(me, `${ALL}&limit=2&page=2`);
  const beyond = await report(me, `${ALL}&limit=2&page=3`);
  expect([first, second, beyond].map(({ groups }) => groups.length)).toEqual([2, 1, 0]);
  expect([first, second, beyond].map(({ total }) => total.jobs.created)).toEqual([3, 3, 3]);
  expect(beyond.pagination).toMatchObject({ total: 3, totalPages: 2 });
});

test('pages of days and people, from sums and lines, make the whole report', async () => {
  const { user, admin, clock, db } = app();
  const people = [await user('long-1'), await user('long-2'), await user('long-3')];
  const from = new Date(clock.now() + 24 * 3600_000).toISOString().slice(0, 10);
  await clock.advance(24 * 3600_000);
  for (let day = 0; day < 4; day += 1) {
    for (const me of people.slice(day % 2)) await me.create(BODY);
    if (day === 2) await foldUsage(db);
    await clock.advance(24 * 3600_000);
  }
  const read = (query: string) => report(admin, `from=${from}&${query}`, '/api/v1/admin/usage');
  for (const groupBy of ['day,user', 'key,day', 'day,team', 'user,month']) {
    const whole = await read(`groupBy=${groupBy}`);
    const paged = [];
    for (let page = 1; page <= whole.groups.length + 1; page += 1) {
      const { groups, total, pagination } = await read(`groupBy=${groupBy}&limit=1&page=${page}`);
      paged.push(...groups);
      expect([total, pagination.total]).toEqual([whole.total, whole.groups.length]);
    }
    expect(paged).toEqual(whole.groups);
    expect(whole.total.jobs.created).toBe(10);
  }
  expect((await read('groupBy=day,user')).groups.map(({ jobs }) => jobs.created)).toEqual(Array(10).fill(1));
  expect((await read('groupBy=day,team')).groups.map(({ jobs }) => jobs.created)).toEqual([3, 2, 3, 2]);
});

test('a table has every group, and no cell that a spreadsheet would run', async () => {
  const { user, db } = app();
  const me = await user('tables');
  const { jobId } = await me.create(BODY);
  const { owner_id: owner } = await db
    .selectFrom('jobs')
    .select('owner_id')
    .where('id', '=', jobId)
    .executeTakeFirstOrThrow();
  for (const model of ['=1+1', '@sum', '-2', '+3', ' =4', 'say "a",b', '\t=5'])
    await sql`insert into usage_deltas (at, owner_id, connection, model, created)
      values (usage_slot(now()), ${owner}, 'simulator', ${model}, 1)`.execute(db);
  const byAccept = await me.inject({
    url: `/api/v1/usage?${ALL}&groupBy=model`,
    headers: { accept: 'text/csv' },
  });
  const byFormat = await me.request('GET', `/api/v1/usage?${ALL}&groupBy=model&format=csv&limit=1`);
  expect(byFormat.body).toBe(byAccept.body);
  expect(byAccept.headers['content-type']).toBe('text/csv; charset=utf-8');
  const lines = byAccept.body.split('\r\n');
  expect(lines[0]).toBe(
    'model,created,completed,failed,cancelled,seconds,estimatedUsd,heldUsd,chargedUsd,correctedUsd',
  );
  const first = lines.slice(1, -1).map((line) => line.replace(/(,[\d.]+){9}$/, ''));
  expect(first.toSorted()).toEqual(
    [`'=1+1`, `'@sum`, `'-2`, `'+3`, `' =4`, '"say ""a"",b"', `'\t=5`, 'simulator'].toSorted(),
  );
  await sql`delete from usage_deltas where owner_id = ${owner} and model <> 'simulator'`.execute(db);
});

test('a short name of a zone means the same to the database: its summer counts', async () => {
  const { clock, user, db } = app();
  const me = await user('summer');
  const next = new Date(clock.now()).getUTCFullYear() + 1;
  // Half past midnight in a summer of Central Europe; without summer time it would be the day before.
  await clock.advance(Date.UTC(next, 6, 9, 22, 30) - clock.now());
  await me.create(BODY);
  const query = `from=${next}-07-10&to=${next}-07-11&timeZone=CET`;
  for (const folded of [false, true]) {
    if (folded) await foldUsage(db);
    const { groups } = await report(me, query);
    expect(groups.map(({ day, jobs }) => [day, jobs.created])).toEqual([[`${next}-07-10`, 1]]);
  }
});

test('a zone that the database knows no more does not keep usage from being summed up', async () => {
  const { user, db } = await createTestApp(MANY);
  const me = await user('upgraded');
  await sql`insert into usage_zones (name) values ('US/Pacific-New'), ('Europe/Berlin')`.execute(db);
  await me.create(BODY);
  expect(await foldUsage(db)).toBeGreaterThan(0);
  expect((await report(me, `${ALL}&timeZone=Europe/Berlin`)).total.jobs.created).toBe(1);
  const zones = await db.selectFrom('usage_zones').select('name').orderBy('name').execute();
  expect(zones.map(({ name }) => name)).toEqual(['Europe/Berlin', 'UTC']);
});

test('a zone that the database does not know is refused, and sums up nothing', async () => {
  const { admin, user, db } = await createTestApp(MANY);
  const refused = await admin.request('GET', '/api/v1/usage?timeZone=US/Pacific-New');
  expect(refused.statusCode, refused.body).toBe(400);
  expect(refused.json()).toMatchObject({ error: { details: { field: 'timeZone' } } });
  const bill = await admin.inject({
    method: 'POST',
    url: '/api/v1/admin/bills?provider=simulator&timeZone=US/Pacific-New',
    headers: { 'content-type': 'text/csv' },
    payload: 'date,amount\n2026-11-20,1\n',
  });
  expect(bill.statusCode, bill.body).toBe(400);
  await (await user('later')).create(BODY);
  expect(await foldUsage(db)).toBeGreaterThan(0);
});

test.each([
  ['a zone that is none', 'timeZone=Mars/Olympus', 'timeZone'],
  ['an offset, which databases read reversed', 'timeZone=%2B05:30', 'timeZone'],
  ['a grouping that is none', 'groupBy=colour', 'groupBy'],
  ['three groupings', 'groupBy=day,model,user', 'groupBy'],
  ['the same twice', 'groupBy=day,day', 'groupBy'],
  ['day and month', 'groupBy=day,month', 'groupBy'],
  ['a day that is none', 'from=2026-02-30', 'from'],
  ['a day before all calendars', 'from=0001-01-01', 'from'],
  ['a page beyond all numbers', 'page=99999999999999999&limit=10000', 'page'],
  ['a time within a quarter', 'from=2026-02-01T00:01:00Z', 'from'],
  ['an end before the beginning', 'from=2026-02-02&to=2026-02-01', 'to'],
])('%s is refused', async (_what, query, field) => {
  const answer = await app().admin.request('GET', `/api/v1/usage?${query}`);
  expect(answer.statusCode).toBe(400);
  expect(answer.json()).toMatchObject({ error: { details: { field } } });
});

test('whatever is done with jobs, reports, ledger and jobs say the same to the micro-dollar', async () => {
  const { admin, db, clock, settle } = await pricedApp();
  const act = fc.oneof(
    fc.record({
      what: fc.constant('create' as const),
      how: fc.constantFrom('', '[sim:fail]', '[sim:stuck]'),
    }),
    fc.record({ what: fc.constant('batch' as const), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ what: fc.constant('cancel' as const), place: fc.nat() }),
    fc.record({ what: fc.constant('run' as const), minutes: fc.integer({ min: 0, max: 90 }) }),
    fc.record({ what: fc.constant('fold' as const) }),
  );
  const open: string[] = [];
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 8 }), async (acts) => {
      for (const step of acts) {
        if (step.what === 'create')
          open.push((await admin.create({ ...PRICED, prompt: `x ${step.how}` })).jobId);
        else if (step.what === 'batch') {
          const videos = Array.from({ length: step.count }, () => PRICED);
          await admin.request('POST', '/api/v1/videos/batch', { videos });
        } else if (step.what === 'cancel' && open.length > 0) {
          await admin.request('DELETE', `/api/v1/videos/${open[step.place % open.length]}`);
        } else if (step.what === 'run') {
          await clock.advance(step.minutes * 60_000);
          await settle();
        } else await foldUsage(db);
      }
      await agrees();
    }),
    { numRuns: 6 },
  );

  async function agrees(): Promise<void> {
    expect((await checkLedger(db)).problems).toEqual([]);
    const ledger = await sql<{ held: number; charged: number }>`
      select coalesce(sum(case kind when 'hold' then amount_micros when 'release' then -amount_micros end), 0) as held,
        coalesce(sum(case when kind in ('charge', 'correction') then amount_micros end), 0) as charged
      from ledger`.execute(db);
    const jobs = await sql<Record<string, number>>`
      select count(*) as created, count(*) filter (where status = 'completed') as completed,
        count(*) filter (where status = 'failed') as failed, count(*) filter (where status = 'cancelled') as cancelled,
        coalesce(sum(charged_micros) filter (where finished_at is not null and cancel_outcome is distinct from 'unknown'), 0)
          as charged, sum(estimated_micros) as estimated from jobs`.execute(db);
    const [booked, there] = [ledger.rows[0], jobs.rows[0]];
    for (const query of ['groupBy=day', 'groupBy=batch,model', 'groupBy=month,key&timeZone=Asia/Kathmandu']) {
      const { total, groups } = await report(admin, `${ALL}&${query}&limit=10000`, '/api/v1/admin/usage');
      const { created, completed, failed, cancelled } = total.jobs;
      expect({ created, completed, failed, cancelled }).toEqual({
        created: there?.['created'],
        completed: there?.['completed'],
        failed: there?.['failed'],
        cancelled: there?.['cancelled'],
      });
      expect(total.estimatedUsd).toBe(usd(there?.['estimated'] ?? 0));
      expect(total.heldUsd).toBe(usd(booked?.held ?? 0));
      expect(total.chargedUsd).toBe(usd(booked?.charged ?? 0));
      expect(booked?.charged).toBe(there?.['charged']);
      const sum = groups.reduce((all, group) => all + Math.round(group.chargedUsd * 1e6), 0);
      expect(sum).toBe(booked?.charged);
    }
  }
});

test('many that end at once neither wait for one another nor lose a count', async () => {
  const { user, db, app: studio } = app();
  const me = await user('at-once');
  const videos = Array.from({ length: 10 }, () => ({ ...BODY, prompt: '[sim:stuck]' }));
  const made = await Promise.all(
    Array.from({ length: 4 }, () => me.request('POST', '/api/v1/videos/batch', { videos })),
  );
  const ids = made.map((answer) => (answer.json() as { data: { batchId: string } }).data.batchId);
  await Promise.all([
    ...ids.map((id) => me.request('DELETE', `/api/v1/batches/${id}`)),
    foldUsage(db),
    studio.jobs.countByStatus(),
    foldUsage(db),
  ]);
  const { total } = await report(me, ALL);
  expect(total.jobs).toMatchObject({ created: 40, cancelled: 40 });
  expect(total.heldUsd).toBe(0);
  expect((await checkLedger(db)).problems).toEqual([]);
});

test('a sum that has been tampered with is found', async () => {
  const { db, admin, finish } = app();
  await finish((await admin.create(BODY)).jobId);
  await foldUsage(db);
  expect((await checkLedger(db)).problems).toEqual([]);
  await sql`update usage_days set charged_micros = charged_micros + 1, created = 0`.execute(db);
  expect((await checkLedger(db)).problems.map(({ rule }) => rule)).toEqual([
    'usage reports are the sums of the ledger',
    'every job is counted in usage reports',
  ]);
});
