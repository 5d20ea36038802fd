import { Client } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createTestApp, SMALL } from './create-test-app.ts';

test('those who follow a batch by the last id get every event once, whatever the order of commits', async () => {
  const app = await createTestApp();
  const videos = [SMALL, SMALL];
  const answer = await app.admin.request('POST', '/api/v1/videos/batch', { videos });
  const { batchId, jobIds } = answer.json<{ data: { batchId: string; jobIds: string[] } }>().data;
  const { owner_id: owner } = await app.db.selectFrom('jobs').select('owner_id').executeTakeFirstOrThrow();
  const read = async (after: number) => {
    const page = await app.admin.request('GET', `/api/v1/batches/${batchId}/events?after=${after}`);
    return page.json<{ data: { id: number; type: string }[] }>().data;
  };
  const followed: number[] = [];
  const follow = async () => followed.push(...(await read(followed.at(-1) ?? 0)).map(({ id }) => id));
  const open = async () => {
    const client = new Client({ connectionString: app.databaseUrl });
    await client.connect();
    onTestFinished(() => client.end());
    await client.query('begin');
    return client;
  };
  const write = (client: Client, type: string) =>
    client.query(
      'insert into events (owner_id, job_id, batch_id, type, created_at) values ($1, $2, $3, $4, now())',
      [owner, jobIds[0], batchId, type],
    );

  await follow();
  const [early, late] = [await open(), await open()];
  // The first to be known to the server draws the later id, and commits first.
  await early.query('select pg_current_xact_id()');
  await write(late, 'job.second');
  await write(early, 'job.first');
  await app.admin.request('DELETE', `/api/v1/videos/${jobIds[1]}`);
  await follow();
  await early.query('commit');
  await follow();
  await late.query('commit');
  await follow();
  const all = await read(0);
  expect(followed).toEqual(all.map(({ id }) => id));
  expect(new Set(all.map(({ type }) => type)).size).toBeGreaterThanOrEqual(4);
});

test('a transaction that stays open and writes no event holds no follower back', async () => {
  const app = await createTestApp();
  const answer = await app.admin.request('POST', '/api/v1/videos/batch', { videos: [SMALL, SMALL] });
  const { batchId, jobIds } = answer.json<{ data: { batchId: string; jobIds: string[] } }>().data;
  const client = new Client({ connectionString: app.databaseUrl });
  await client.connect();
  onTestFinished(() => client.end());
  await client.query('begin');
  await client.query('create table unrelated as select pg_current_xact_id()');
  await app.admin.request('DELETE', `/api/v1/videos/${jobIds[1]}`);
  const page = await app.admin.request('GET', `/api/v1/batches/${batchId}/events?after=0`);
  const types = page.json<{ data: { type: string }[] }>().data.map(({ type }) => type);
  expect(types).toContain('job.cancelled');
});
