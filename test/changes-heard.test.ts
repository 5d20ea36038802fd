import { sql } from 'kysely';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createTestApp, SMALL } from './create-test-app.ts';
import { secondApp } from './second-app.ts';

test('a change by plain SQL is heard by every process, though no process has committed it', async () => {
  const app = await createTestApp();
  const other = await secondApp(app);
  onTestFinished(() => other.stop());
  const { jobId } = await app.admin.create(SMALL);
  const shown = async () => {
    const answer = await other.server.inject({
      url: `/api/v1/videos/${jobId}`,
      headers: { authorization: `Bearer ${app.admin.key}` },
    });
    return answer.json<{ data: { name: string | null } }>().data.name;
  };
  expect(await shown()).toBeNull();
  await sql`update jobs set name = 'by hand' where id = ${jobId}`.execute(app.db);
  await vi.waitFor(async () => expect(await shown()).toBe('by hand'), { timeout: 20_000 });
  const left = await sql`select from job_changes`.execute(app.db);
  expect(left.rows).toHaveLength(0);
});

test('a change and its line are one: what is rolled back is told to no process', async () => {
  const app = await createTestApp();
  const { jobId } = await app.admin.create(SMALL);
  const undone = app.db.transaction().execute(async (tx) => {
    await sql`update jobs set name = 'undone' where id = ${jobId}`.execute(tx);
    throw new Error('undo');
  });
  await expect(undone).rejects.toThrow('undo');
  expect((await sql`select from job_changes`.execute(app.db)).rows).toHaveLength(0);
});
