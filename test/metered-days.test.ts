import { expect, onTestFinished, test } from 'vitest';
import { newId } from '../src/core/ids.ts';
import type { Database } from '../src/database/open.ts';
import { createTestDatabase } from '../src/database/testing.ts';
import { insertJobs } from '../src/jobs/insert-jobs.repository.ts';
import type { Job } from '../src/jobs/job.ts';
import { newJob } from '../src/jobs/new-job.ts';
import { settle } from '../src/usage/ledger.repository.ts';
import { denialsIn } from '../src/usage/meters.repository.ts';
import { createTestApp, SMALL } from './create-test-app.ts';

const COST = 1_000_000;
const USER = 'usr_meter';
const TODAY = '2026-03-10T12:00:00Z';
const TOMORROW = '2026-03-11T12:00:00Z';

/** A person who may spend as much as the limits say, in jobs of `COST`. */
async function stage(limits: Record<string, number> = {}) {
  const database = await createTestDatabase();
  onTestFinished(() => database.drop());
  const { db } = database;
  const at = new Date(TODAY);
  await db.insertInto('users').values({ id: USER, name: 'm', role: 'user', created_at: at }).execute();
  const rows = Object.entries(limits).map(([metric, hard]) => ({
    scope: 'user' as const,
    subject_id: USER,
    metric: metric as 'usd_day',
    hard: hard * COST,
    soft: null,
    updated_by: 'test',
    updated_at: at,
  }));
  if (rows.length > 0) await db.insertInto('quotas').values(rows).execute();
  return db;
}

function draft(at: string): Job {
  return newJob({
    id: newId('video'),
    owner_id: USER,
    user_id: USER,
    api_key_id: null,
    name: null,
    priority: 0,
    model: 'm',
    connection: 'c',
    prompt: 'x',
    seconds: 1,
    width: 64,
    height: 64,
    plan: {},
    reference_key: null,
    reference_type: null,
    tags: [],
    metadata: {},
    webhook_url: null,
    estimated_micros: COST,
    fingerprint: null,
    created_at: new Date(at),
  });
}

/** By a process whose clock says `at`. Undefined when the quota does not suffice. */
async function create(db: Database, at: string, count = 1, zone = 'UTC'): Promise<Job[] | undefined> {
  const jobs = Array.from({ length: count }, () => draft(at));
  try {
    await insertJobs(db, [{ jobs }], zone);
    return jobs;
  } catch (error) {
    if (denialsIn(error)) return undefined;
    throw error;
  }
}

/** They end and cost nothing. */
async function fail(db: Database, jobs: readonly Job[] | undefined, at = TOMORROW): Promise<void> {
  const ended = (jobs ?? []).map((job) =>
    Object.assign(job, { status: 'failed' as const, charged_micros: 0 }),
  );
  await db.transaction().execute((tx) => settle(tx, ended, new Date(at)));
}

async function meter(db: Database) {
  return db.selectFrom('meters').selectAll().where('scope', '=', 'user').executeTakeFirstOrThrow();
}

test.each([
  ['usd_day', TODAY, TOMORROW, '2026-03-08T12:00:00Z'],
  ['usd_month', TODAY, '2026-04-01T00:00:00Z', '2026-01-31T12:00:00Z'],
])(
  '%s: two clocks that are a period apart get each its own budget, and no more',
  async (metric, now, ahead, behind) => {
    const db = await stage({ [metric]: 4 });
    expect(await create(db, now, 4)).toBeDefined();
    expect(await create(db, ahead)).toBeDefined();
    expect(await create(db, now)).toBeUndefined();
    expect(await create(db, ahead, 3)).toBeDefined();
    for (const at of [ahead, now, behind]) expect(await create(db, at)).toBeUndefined();
  },
);

test('what ends for nothing is taken back in the day it was counted in, whichever day the meter has', async () => {
  const db = await stage({ usd_day: 4 });
  const early = await create(db, TODAY, 4);
  await create(db, TOMORROW, 4);
  await fail(db, early?.slice(0, 3));
  expect(await meter(db)).toMatchObject({
    day: '2026-03-11',
    usd_day: 4 * COST,
    videos_day: 4,
    former_day: '2026-03-10',
    former_usd_day: COST,
    former_videos_day: 1,
    usd_total: 5 * COST,
  });
  expect(await create(db, TOMORROW)).toBeUndefined();
  expect(await create(db, TODAY, 3)).toBeDefined();
  // Two days later nothing of it is kept, and nothing is taken from a day that has begun without it.
  await create(db, '2026-03-13T00:00:00Z');
  await fail(db, early?.slice(3));
  expect(await meter(db)).toMatchObject({ usd_day: COST, former_usd_day: 4 * COST, usd_total: 8 * COST });
});

test('jobs of one statement are counted in one day, however long drafting them took', async () => {
  const db = await stage();
  const jobs = [draft('2026-03-10T23:59:59.999Z'), draft('2026-03-11T00:00:00.001Z')];
  await insertJobs(db, [{ jobs }], 'UTC');
  const days = await db.selectFrom('jobs').select('metered_day').execute();
  expect(days).toEqual([{ metered_day: '2026-03-10' }, { metered_day: '2026-03-10' }]);
  await create(db, TOMORROW);
  await fail(db, jobs);
  expect(await meter(db)).toMatchObject({ usd_day: COST, former_usd_day: 0, usd_month: COST, videos_day: 1 });
});

test('another time zone for quotas takes nothing from days that were counted in the old one', async () => {
  const db = await stage();
  const evening = '2026-03-10T20:00:00Z';
  const there = await create(db, evening, 2, 'Asia/Tokyo');
  const here = await create(db, evening, 1, 'UTC');
  expect(await meter(db)).toMatchObject({ day: '2026-03-11', usd_day: 2 * COST, former_usd_day: COST });
  await fail(db, there);
  expect(await meter(db)).toMatchObject({ usd_day: 0, former_usd_day: COST, usd_month: COST });
  await fail(db, here);
  expect(await meter(db)).toMatchObject({ usd_day: 0, former_usd_day: 0, usd_month: 0, usd_total: 0 });
});

test.each([
  ['2026-11-01T03:59:59Z', '2026-10-31'],
  ['2026-11-01T04:00:00Z', '2026-11-01'],
  // The hour that comes twice belongs to one day, and that day has 25.
  ['2026-11-02T04:59:59Z', '2026-11-01'],
  ['2026-11-02T05:00:00Z', '2026-11-02'],
])('where clocks are put back, %s is counted in %s', async (at, day) => {
  const db = await stage();
  await create(db, at, 1, 'America/New_York');
  expect(await db.selectFrom('jobs').select('metered_day').execute()).toEqual([{ metered_day: day }]);
});

test('a job from before its day was stored is taken back in the day of its creation', async () => {
  const db = await stage();
  const old = await create(db, TODAY, 1);
  await create(db, TOMORROW);
  await db
    .updateTable('jobs')
    .set({ metered_day: null } as object)
    .execute();
  await fail(db, old);
  expect(await meter(db)).toMatchObject({ usd_day: COST, former_usd_day: 0 });
});

test('no meter falls below zero, and none keeps a job from ending', async () => {
  const db = await stage();
  const jobs = await create(db, TODAY, 2);
  await expect(db.updateTable('meters').set({ usd_day: -1 }).execute()).rejects.toThrow(
    'meters_not_negative',
  );
  await db.updateTable('meters').set({ usd_day: 0, usd_total: 0 }).execute();
  await fail(db, jobs);
  expect(await meter(db)).toMatchObject({ usd_day: 0, usd_total: 0, usd_month: 0 });
});

test('a batch, its retry and a retry of many that are drafted across midnight are created in one day each', async () => {
  const app = await createTestApp();
  const { now } = app.clock;
  const acrossMidnight = async (work: () => Promise<{ statusCode: number; body: string }>) => {
    const midnight = Math.ceil((now() + 1) / 86_400_000) * 86_400_000;
    await app.clock.advance(midnight - 3 - now());
    let looks = 0;
    // Each look at the clock takes a millisecond.
    app.clock.now = () => now() + Math.min(20, looks++);
    const answer = await work();
    app.clock.now = now;
    expect(answer.statusCode, answer.body).toBeLessThan(300);
  };
  const videos = Array.from({ length: 6 }, () => ({ ...SMALL, prompt: '[sim:fail] x' }));
  await acrossMidnight(() => app.admin.request('POST', '/api/v1/videos/batch', { videos }));
  const jobs = () => app.db.selectFrom('jobs').selectAll().orderBy('created_at').execute();
  const failed = await jobs();
  for (const { id } of failed) await app.finish(id);
  await acrossMidnight(() => app.admin.request('POST', `/api/v1/batches/${failed[0]?.batch_id}/retry`));
  const ids = failed.map(({ id }) => id);
  await acrossMidnight(() => app.admin.request('POST', '/api/v1/videos/bulk', { action: 'retry', ids }));
  const days = Map.groupBy(await jobs(), ({ created_at: at }) => at.getTime());
  expect([...days.values()].map(({ length }) => length)).toEqual([6, 6, 6]);
});
