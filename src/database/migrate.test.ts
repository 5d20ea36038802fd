import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sql } from 'kysely';
import { onTestFinished, expect, test } from 'vitest';
import { migrate } from './migrate.ts';
import { silentLog } from './silent-log.ts';
import { createTestDatabase } from './testing.ts';

const CREATE = 'create table fruit (name text);';

/** An empty database and a folder with these migrations. */
async function given(files: Record<string, string>) {
  const database = await createTestDatabase();
  const dir = await mkdtemp(path.join(tmpdir(), 'sora-migrations-'));
  onTestFinished(async () => {
    await database.drop();
    await rm(dir, { recursive: true });
  });
  // Test databases come migrated; these tests start from nothing.
  await sql`drop table if exists schema_migrations`.execute(database.db);
  const write = (name: string, text: string) => writeFile(path.join(dir, name), text);
  for (const [name, text] of Object.entries(files)) await write(name, text);
  return { db: database.db, write, dir, run: () => migrate(database.url, { dir, log: silentLog }) };
}

test('applies files in order, once, each recorded', async () => {
  const { db, run, write } = await given({
    '0002_pear.sql': `insert into fruit values ('pear');`,
    '0001_fruit.sql': CREATE,
    'README.md': 'not a migration',
  });
  expect(await run()).toEqual(['0001_fruit.sql', '0002_pear.sql']);
  expect(await run()).toEqual([]);
  await write('0003_fig.sql', `insert into fruit values ('fig'); insert into fruit values ('kiwi');`);
  expect(await run()).toEqual(['0003_fig.sql']);
  const { rows } = await sql<{ name: string }>`select name from fruit`.execute(db);
  expect(rows.map(({ name }) => name)).toEqual(['pear', 'fig', 'kiwi']);
  const applied = await sql<{ version: number }>`select version from schema_migrations`.execute(db);
  expect(applied.rows.map(({ version }) => version)).toEqual([1, 2, 3]);
});

test('several processes may migrate at once', async () => {
  const { run } = await given({
    '0001_fruit.sql': `${CREATE} select pg_sleep(0.05);`,
    '0002_two.sql': 'select 2',
  });
  const results = await Promise.all(Array.from({ length: 5 }, run));
  expect(results.flat().sort()).toEqual(['0001_fruit.sql', '0002_two.sql']);
});

test('a failing file leaves no trace, and those before it stay', async () => {
  const { db, run, write } = await given({
    '0001_fruit.sql': CREATE,
    '0002_broken.sql': `insert into fruit values ('pear');\n\nselect nonsense;`,
  });
  await expect(run()).rejects.toThrow(/0002_broken.sql failed in line 3: .*nonsense/);
  const { rows } = await sql`select from fruit`.execute(db);
  expect(rows).toHaveLength(0);
  await write('0002_broken.sql', 'select 1');
  expect(await run()).toEqual(['0002_broken.sql']);
});

test('a changed file stops it; changed line ends do not', async () => {
  const { run, write } = await given({ '0001_fruit.sql': `${CREATE}\n` });
  await run();
  await write('0001_fruit.sql', `${CREATE}\r\n`);
  expect(await run()).toEqual([]);
  await write('0001_fruit.sql', `${CREATE} -- oh`);
  await expect(run()).rejects.toThrow(/0001_fruit.sql has changed/);
});

test('a database newer than the code stops it', async () => {
  const { run, dir } = await given({ '0001_fruit.sql': CREATE, '0002_new.sql': 'select 1' });
  await run();
  await rm(path.join(dir, '0002_new.sql'));
  await expect(run()).rejects.toThrow(/newer than this program: it has migration 0002_new.sql/);
});

test('a number below an applied one, a doubled number and a bad name stop it', async () => {
  const { run, write, dir } = await given({ '0002_fruit.sql': CREATE });
  await run();
  await write('0001_late.sql', 'select 1');
  await expect(run()).rejects.toThrow(/0001_late.sql stands before number 2/);
  await rm(path.join(dir, '0001_late.sql'));
  await write('0002_twin.sql', 'select 1');
  await expect(run()).rejects.toThrow(/Two migrations have the number 2/);
  await rm(path.join(dir, '0002_twin.sql'));
  await write('3_short.sql', 'select 1');
  await expect(run()).rejects.toThrow(/named like 0001_name.sql/);
});
