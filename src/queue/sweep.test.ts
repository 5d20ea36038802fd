import { CompiledQuery, sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../core/clock.ts';
import { silentLog } from '../database/silent-log.ts';
import { createTestDatabase, type TestDatabase } from '../database/testing.ts';
import { createQueue } from './queue.ts';
import { createSweep } from './sweep.ts';

/** A database with a queue in which nothing is at work, and one task of a worker that was last heard of long ago. */
async function withDeadTask() {
  const base = await createTestDatabase();
  const queue = createQueue({ url: base.url, log: silentLog, clock: systemClock });
  queue.define({ name: 'test', concurrency: 1, timeoutSeconds: 60, handle: async () => {} });
  await queue.start({ work: false });
  onTestFinished(async () => {
    await queue.stop(0);
    await base.drop();
  });
  await base.db.transaction().execute((tx) => queue.send(tx, 'test', [{ key: 'k', data: {} }]));
  await die(base);
  return base;
}

async function die({ db }: TestDatabase): Promise<void> {
  await sql`update pgboss.job set state = 'active', heartbeat_on = now() - interval '8 seconds'
    where singleton_key = 'k'`.execute(db);
}

const sweepOn = ({ db }: TestDatabase) =>
  createSweep(
    (text, values = []) => db.executeQuery(CompiledQuery.raw(text, values)),
    async () => {},
  );

const stateOf = async ({ db }: TestDatabase) =>
  (await sql<{ state: string }>`select state from pgboss.job where singleton_key = 'k'`.execute(db)).rows[0]
    ?.state;

/** Rounds until the task is free again; how long that took, in ms. */
async function untilFree(base: TestDatabase, sweep: ReturnType<typeof sweepOn>): Promise<number> {
  const startedAt = performance.now();
  await expect
    .poll(
      async () => {
        await sweep.round();
        return stateOf(base);
      },
      { timeout: 15_000, interval: 100 },
    )
    .toBe('retry');
  return performance.now() - startedAt;
}

test('a new leader gives workers a moment to come back, then frees the tasks of those that do not', async () => {
  const base = await withDeadTask();
  const sweep = sweepOn(base);
  await sweep.round();
  expect(await stateOf(base)).toBe('active');
  expect(await untilFree(base, sweep)).toBeGreaterThan(2000);
});

test('one process leads; when it stands still another one does within seconds, and it finds out', async () => {
  const base = await withDeadTask();
  const [first, second] = [sweepOn(base), sweepOn(base)];
  await untilFree(base, first);
  await die(base);
  await second.round();
  expect(await stateOf(base)).toBe('active');
  // The first one is paused from here on.
  expect(await untilFree(base, second)).toBeLessThan(8000);
  await die(base);
  await first.round();
  expect(await stateOf(base)).toBe('active');
}, 30_000);

test('a leader that leaves is followed at once', async () => {
  const base = await withDeadTask();
  const [first, second] = [sweepOn(base), sweepOn(base)];
  await first.round();
  await first.leave();
  await second.round();
  const { rows } = await sql<{
    n: number;
  }>`select count(*)::int as n from leases where name = 'queue'`.execute(base.db);
  expect(rows[0]?.n).toBe(1);
  expect(await untilFree(base, second)).toBeLessThan(5000);
});

test('what is finished is removed soon, and the search for the dead never reads it', async () => {
  const base = await withDeadTask();
  await sql`insert into pgboss.job (id, name, state, policy, completed_on, singleton_key)
    select gen_random_uuid(), 'test', 'completed', 'exclusive', now() - interval '2 minutes', 'f' || n
    from generate_series(1, 20000) as n`.execute(base.db);
  await sql`analyze pgboss.job`.execute(base.db);
  const { rows: plan } = await sql<Record<string, string>>`explain select 1 from pgboss.job
    where state <= 'active' and policy = 'exclusive' and state = 'active'
      and heartbeat_on < now() - interval '7 seconds'`.execute(base.db);
  expect(plan.map((row) => Object.values(row)[0]).join('\n')).toMatch(/Index Scan|Bitmap Index Scan/);
  const sweep = sweepOn(base);
  await untilFree(base, sweep);
  while (await sweep.round());
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from pgboss.job`.execute(base.db);
  expect(rows[0]?.n).toBe(1);
}, 30_000);
