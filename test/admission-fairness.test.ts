import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { modelTurns } from '../src/jobs/turns-model.ts';
import { createTestApp, SMALL, type TestApp } from './create-test-app.ts';

/** Lets one video after the other have the only place; in what order they had it. */
async function orderOfTurns(app: TestApp, count: number): Promise<string[]> {
  const order: string[] = [];
  for (let turn = 0; turn < count; turn += 1) {
    await app.app.engine.step('admission');
    const working = await app.db.selectFrom('jobs').select('id').where('status', '=', 'processing').execute();
    order.push(...working.map(({ id }) => id));
    await app.db
      .updateTable('jobs')
      .set({ status: 'failed', stage: 'finished', error_code: 'x', finished_at: new Date(app.clock.now()) })
      .where('status', '=', 'processing')
      .execute();
    await app.clock.advance(1000);
  }
  return order;
}

const ONE_PLACE = { MAX_RUNNING: '1', SIMULATOR_SPEED: '1' };

test("a person who says high to everything does not hold up another's only video, though it came last", async () => {
  const app = await createTestApp(ONE_PLACE);
  const [greedy, other] = [await app.user('greedy'), await app.user('other')];
  for (let index = 0; index < 6; index += 1) await greedy.create({ ...SMALL, priority: 'high' });
  await app.clock.advance(1000);
  const { jobId } = await other.create(SMALL);
  expect((await orderOfTurns(app, 7)).indexOf(jobId)).toBe(1);
});

test('people whose place is free take turns, though one has always asked before', async () => {
  const app = await createTestApp(ONE_PLACE);
  const people = new Map<string, string>();
  for (const name of ['a', 'b', 'c']) {
    const caller = await app.user(name);
    for (let index = 0; index < 3; index += 1) people.set((await caller.create(SMALL)).jobId, name);
    await app.clock.advance(1000);
  }
  const order = await orderOfTurns(app, 9);
  expect(order.map((id) => people.get(id)).join('')).toBe('abcabcabc');
});

test('a video whose time has not come holds up nothing else of the same person', async () => {
  const app = await createTestApp(ONE_PLACE);
  const later = await app.admin.create({ ...SMALL, priority: 'high' });
  const now = await app.admin.create(SMALL);
  await app.db
    .updateTable('jobs')
    .set({ due_at: new Date(app.clock.now() + 60_000) })
    .where('id', '=', later.jobId)
    .execute();
  expect(await orderOfTurns(app, 1)).toEqual([now.jobId]);
});

test("what one key's limit holds back keeps no other key of the same person from its turn", async () => {
  const app = await createTestApp({ MAX_RUNNING: '5', SIMULATOR_SPEED: '1' });
  const made = await app.admin.request('POST', '/api/v1/keys', { name: 'limited' });
  const { data } = made.json<{ data: { id: string; key: string } }>();
  await app.db
    .insertInto('quotas')
    .values({
      scope: 'key',
      subject_id: data.id,
      metric: 'running',
      hard: 1,
      updated_by: 'x',
      updated_at: new Date(),
    })
    .execute();
  for (let index = 0; index < 10; index += 1) {
    const headers = { authorization: `Bearer ${data.key}` };
    await app.admin.inject({
      method: 'POST',
      url: '/api/v1/videos',
      payload: { ...SMALL, priority: 'high' },
      headers,
    });
  }
  for (let index = 0; index < 3; index += 1) await app.admin.create(SMALL);
  expect(await app.app.engine.step('admission')).toBe(4);
  const working = await app.db
    .selectFrom('jobs')
    .select('api_key_id')
    .where('status', '=', 'processing')
    .execute();
  expect(working.filter((job) => job.api_key_id === data.id)).toHaveLength(1);
});

test('two hundred places among five hundred people with uneven queues go to exactly those whose turn it is', async () => {
  const app = await createTestApp({ MAX_RUNNING: '200', SIMULATOR_SPEED: '1' });
  await app.admin.create(SMALL);
  await sql`insert into users (id, name, role, created_at)
    select 'usr_' || n, 'u', 'user', now() from generate_series(1, 500) n`.execute(app.db);
  const { rows } = await sql<{ columns: string }>`
    select string_agg(quote_ident(column_name), ',') as columns from information_schema.columns
    where table_name = 'jobs' and is_generated = 'NEVER' and column_default is null
      and column_name not in ('id', 'owner_id', 'user_id', 'created_at', 'priority', 'status', 'stage', 'started_at', 'api_key_id')
    `.execute(app.db);
  const columns = sql.raw(rows[0]?.columns ?? '');
  // One in ten has a thousandth of what another has; fifty have videos in work already.
  await sql`
    insert into jobs (id, owner_id, user_id, created_at, status, stage, started_at, priority, ${columns})
    select 'video_' || u || '_' || n, 'usr_' || u, 'usr_' || u, now() - (u * 7919 + n * 104729) % 100000 * interval '1 second',
      case when n <= busy then 'processing' else 'pending' end,
      case when n <= busy then 'rendering' else 'queued' end,
      case when n <= busy then now() end, (u * n) % 3 - 1, ${columns}
    from (select * from jobs limit 1) as one, generate_series(1, 500) as u,
      lateral (select case when u % 10 = 0 then u % 4 else 0 end as busy) as state,
      lateral generate_series(1, case when u % 50 = 0 then 100 else 1 + u % 3 end) as n
    where u % 3 > 0 or u % 10 = 0`.execute(app.db);
  await app.db.deleteFrom('jobs').where('owner_id', 'not like', 'usr_%').execute();
  await app.db.updateTable('jobs').set({ priority: 0 }).where('owner_id', '=', 'usr_admin').execute();

  const before = await app.db.selectFrom('jobs').selectAll().execute();
  const busy = before.filter((job) => job.status === 'processing');
  const inWork = new Map<string, number>();
  for (const job of busy) inWork.set(job.owner_id, (inWork.get(job.owner_id) ?? 0) + 1);
  const waiting = before
    .filter((job) => job.status === 'pending')
    .map((job) => ({
      id: job.id,
      person: job.user_id ?? job.owner_id,
      owner: job.owner_id,
      key: job.api_key_id,
      priority: job.priority,
      createdAt: job.created_at.getTime(),
    }));
  const state = { inWork, servedAt: new Map(), room: new Map() };
  expect(await app.app.engine.step('admission')).toBe(200 - busy.length);
  const admitted = await app.db.selectFrom('jobs').select('id').where('tries', '>', 0).execute();
  const expected = modelTurns(waiting, 200 - busy.length, state);
  expect(new Set(admitted.map(({ id }) => id))).toEqual(new Set(expected));
}, 60_000);
