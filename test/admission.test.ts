import { expect, test } from 'vitest';
import { createTestApp, SMALL, type TestApp } from './create-test-app.ts';

async function namesInWork({ db }: TestApp): Promise<(string | null)[]> {
  const rows = await db
    .selectFrom('jobs')
    .select('name')
    .where('status', '=', 'processing')
    .orderBy('name')
    .execute();
  return rows.map((row) => row.name);
}

test('never more are in work than the connection may have, and all come to their turn', async () => {
  const app = await createTestApp({ MAX_RUNNING: '3', SIMULATOR_SPEED: '100' });
  const ids = [];
  for (let index = 0; index < 9; index += 1) ids.push((await app.admin.create(SMALL)).jobId);
  let most = 0;
  for (let round = 0; round < 200; round += 1) {
    await app.app.engine.runOnce();
    most = Math.max(most, (await namesInWork(app)).length);
    await app.clock.advance(100);
    const open = await app.db.selectFrom('jobs').select('id').where('finished_at', 'is', null).execute();
    if (open.length === 0) break;
  }
  expect(most).toBe(3);
  for (const id of ids) expect((await app.admin.get(id)).status).toBe('completed');
});

test('a high priority goes first, a low one last', async () => {
  const app = await createTestApp({ MAX_RUNNING: '2', SIMULATOR_SPEED: '1' });
  for (const priority of ['low', 'normal', 'high', 'normal'] as const) {
    await app.admin.create({ ...SMALL, name: priority, priority });
  }
  await app.app.engine.step('admission');
  expect(await namesInWork(app)).toEqual(['high', 'normal']);
});

test("a thousand of one user do not hold up another's first", async () => {
  const app = await createTestApp({ MAX_RUNNING: '4', SIMULATOR_SPEED: '1' });
  const other = await app.user();
  for (let index = 0; index < 30; index += 1) await app.admin.create({ ...SMALL, name: 'many' });
  for (let index = 0; index < 2; index += 1) await other.create({ ...SMALL, name: 'few' });
  await app.app.engine.step('admission');
  expect(await namesInWork(app)).toEqual(['few', 'few', 'many', 'many']);
});

test('an upstream that throttles slows the whole connection down instead of failing anybody', async () => {
  const app = await createTestApp({ MAX_RUNNING: '8', SIMULATOR_SPEED: '100', SIMULATOR_FAULTS: '429=1' });
  const jobs = [];
  for (let index = 0; index < 8; index += 1)
    jobs.push(await app.admin.create({ ...SMALL, prompt: `p${index}` }));
  await app.app.engine.step('admission');
  await app.app.engine.step('tasks');
  const pace = await app.db.selectFrom('connections').selectAll().executeTakeFirstOrThrow();
  expect(pace.allowed).toBeLessThanOrEqual(4);
  expect(pace.blocked_until?.getTime()).toBeGreaterThan(app.clock.now());
  await app.app.engine.step('admission');
  expect(await namesInWork(app)).toHaveLength(0);
  for (const { jobId } of jobs) expect((await app.admin.get(jobId)).status).toBe('pending');
});
