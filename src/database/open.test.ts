import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { namedQuery } from './named-query.ts';
import { openDatabase } from './open.ts';
import { retryable } from './retryable.ts';
import { silentLog } from './silent-log.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

function open(overrides: Partial<Parameters<typeof openDatabase>[0]> = {}) {
  const { url } = database;
  return openDatabase({
    url,
    maxConnections: 1,
    log: silentLog,
    slowQueryMs: 60_000,
    applicationName: 'open test',
    ...overrides,
  });
}

test('columns come back as JavaScript has them', async () => {
  const { rows } =
    await sql`select 9007199254740991::bigint as big, sum(n)::numeric as sum, count(*) as count,
    '2026-11-20T12:00:00+02'::timestamptz as at, '2026-11-20'::date as day, '{"a":[1]}'::jsonb as doc
    from generate_series(1, 4::bigint) n`.execute(database.db);
  expect(rows).toEqual([
    {
      big: Number.MAX_SAFE_INTEGER,
      sum: 10,
      count: 4,
      at: new Date('2026-11-20T10:00:00Z'),
      day: '2026-11-20',
      doc: { a: [1] },
    },
  ]);
});

test('a number that would not be exact fails the query, and the connection lives', async () => {
  const db = open();
  await expect(sql`select 9007199254740993::bigint`.execute(db)).rejects.toThrow(RangeError);
  expect((await sql`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }]);
  await db.destroy();
});

test('a named query is prepared once per connection, inside a transaction too', async () => {
  const db = open();
  const once = (n: number) => namedQuery<{ n: number }>(db, 'test_n', 'select $1::int as n', [n]);
  expect(await once(1)).toEqual([{ n: 1 }]);
  expect(await once(2)).toEqual([{ n: 2 }]);
  await db.transaction().execute(async (tx) => {
    expect(await namedQuery(tx, 'test_n', 'select $1::int as n', [3])).toEqual([{ n: 3 }]);
    expect(await namedQuery(tx, 'test_tx', 'select txid_current_if_assigned() as id', [])).toHaveLength(1);
  });
  const { rows } = await sql<{ name: string; uses: number }>`
    select name, generic_plans + custom_plans as uses from pg_prepared_statements order by name`.execute(db);
  expect(rows).toEqual([
    { name: 'test_n', uses: 3 },
    { name: 'test_tx', uses: 1 },
  ]);
  await db.destroy();
});

test('one name cannot stand for two statements', async () => {
  const db = open();
  await namedQuery(db, 'test_twice', 'select 1', []);
  await expect(namedQuery(db, 'test_twice', 'select 2', [])).rejects.toThrow(/test_twice/);
  await db.destroy();
});

test('slow statements are logged without their parameters', async () => {
  const warn = vi.fn();
  const db = open({ slowQueryMs: 20, log: { ...silentLog, warn } });
  await sql`select ${'a secret prompt'}::text, pg_sleep(0.03)`.execute(db);
  await sql`select 1`.execute(db);
  expect(warn).toHaveBeenCalledOnce();
  const logged = JSON.stringify(warn.mock.calls);
  expect(logged).toContain('pg_sleep');
  expect(logged).not.toContain('secret prompt');
  await db.destroy();
});

test('a cut connection is replaced, whether idle or in use, and its error says retryable', async () => {
  const { promise: noticed, resolve } = Promise.withResolvers<void>();
  const db = open({
    applicationName: 'to be cut',
    log: { ...silentLog, debug: (_fields, message) => void (message.includes('idle') && resolve()) },
  });
  const cut = () =>
    sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'to be cut'`.execute(
      database.db,
    );
  await sql`select 1`.execute(db);
  await cut();
  await noticed;
  await sql`select 1`.execute(db);
  const error = await sql`select pg_terminate_backend(pg_backend_pid())`
    .execute(db)
    .catch((thrown: unknown) => thrown);
  expect(retryable(error)).toBe(true);
  expect((await sql`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }]);
  await db.destroy();
});

test('a server that is away is retryable, a mistake is not', async () => {
  const away = open({ url: 'postgresql://x@127.0.0.1:1/x' });
  const refused = await sql`select 1`.execute(away).catch((thrown: unknown) => thrown);
  expect(retryable(refused)).toBe(true);
  await away.destroy();
  const mistake = await sql`select nonsense`.execute(database.db).catch((thrown: unknown) => thrown);
  expect(retryable(mistake)).toBe(false);
  expect(retryable('text')).toBe(false);
});

test('a serialization failure is retryable', async () => {
  const setup = sql`create table counter as select 0 as n`;
  await setup.execute(database.db);
  const bump = () =>
    database.db
      .transaction()
      .setIsolationLevel('serializable')
      .execute(async (tx) => {
        await sql`select n from counter`.execute(tx);
        await sql`select pg_advisory_xact_lock_shared(1)`.execute(tx);
        await sql`update counter set n = n + 1`.execute(tx);
      });
  const results = await Promise.allSettled([bump(), bump(), bump()]);
  const failed = results.filter((result) => result.status === 'rejected');
  expect(failed.every(({ reason }) => retryable(reason))).toBe(true);
});
