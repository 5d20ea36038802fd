import { expect, test } from 'vitest';
import { SMALL, useTestApp } from './create-test-app.ts';
import { dataOf, holder, makeKey } from './keys-kit.ts';

const shared = useTestApp({ MODEL_ALIASES: 'cheap=simulator,other=simulator' });

const names = (data: { id: string }[]) => data.map(({ id }) => id).sort();

test('a key for one name of a model cannot ask for another by any way there is', async () => {
  const { app, user, finish, db } = shared();
  const caller = await user('limited');
  const request = holder(app, (await makeKey(caller, { models: ['cheap'] })).key);
  const done = await caller.create({ ...SMALL, model: 'other' });
  const lost = await caller.create({ ...SMALL, model: 'other', priority: 'low' });
  await caller.request('DELETE', `/api/v1/videos/${lost.jobId}`);
  await finish(done.jobId);
  const before = await db.selectFrom('jobs').select('id').execute();
  const asked: [string, object][] = [
    ['/api/v1/videos', { ...SMALL, model: 'other' }],
    ['/api/v1/videos', { ...SMALL, model: 'simulator' }],
    ['/api/v1/videos', { ...SMALL, model: 'simulator/simulator' }],
    ['/api/v1/videos', SMALL],
    ['/api/v1/estimate', { ...SMALL, model: 'other' }],
    ['/api/v1/videos/batch', { videos: [{ ...SMALL, model: 'cheap' }, SMALL] }],
    [`/api/v1/videos/${done.jobId}/remix`, { prompt: 'x' }],
    [`/api/v1/videos/${done.jobId}/extend`, { prompt: 'x', model: 'simulator' }],
    [`/api/v1/videos/${lost.jobId}/retry`, {}],
    ['/v1/videos', { prompt: 'x', model: 'sora-2' }],
    [`/v1/videos/${done.jobId}/remix`, { prompt: 'x' }],
  ];
  for (const [url, body] of asked) {
    const response = await request('POST', url, body);
    expect(response.statusCode, `${url} ${response.body}`).toBe(403);
    expect(response.json()).toMatchObject({ error: { code: 'model_not_allowed' } });
    expect(response.body).toContain('only for: cheap');
    if (url.startsWith('/api')) {
      expect(response.json()).toMatchObject({ error: { details: { field: 'model', models: ['cheap'] } } });
    }
  }
  const bulk = dataOf<unknown>(
    await request('POST', '/api/v1/videos/bulk', { action: 'retry', ids: [lost.jobId] }),
  );
  expect(JSON.stringify(bulk)).toContain('model_not_allowed');
  expect(await db.selectFrom('jobs').select('id').execute()).toHaveLength(before.length);
  for (const [url, body] of [
    ['/api/v1/videos', { ...SMALL, model: 'cheap' }],
    [`/api/v1/videos/${done.jobId}/remix`, { prompt: 'x', model: 'cheap' }],
  ] as const) {
    expect((await request('POST', url, body)).statusCode, url).toBe(201);
  }
});

test('a key for a model may ask for it by every name, and models are listed as far as they may be asked for', async () => {
  const { app, user } = shared();
  const caller = await user('wide');
  const everything = names(dataOf(await caller.request('GET', '/api/v1/models')));
  expect(everything).toEqual(expect.arrayContaining(['cheap', 'other', 'simulator']));
  const wide = holder(app, (await makeKey(caller, { models: ['simulator'] })).key);
  const exact = holder(app, (await makeKey(caller, { models: ['simulator/simulator'] })).key);
  expect(names(dataOf(await exact('GET', '/api/v1/models')))).toEqual(everything);
  expect((await exact('POST', '/api/v1/estimate', SMALL)).statusCode).toBe(200);
  const narrow = holder(app, (await makeKey(caller, { models: ['cheap'] })).key);
  for (const model of ['simulator', 'cheap', 'other', 'simulator/simulator', undefined]) {
    expect((await wide('POST', '/api/v1/estimate', { ...SMALL, model })).statusCode, model).toBe(200);
  }
  expect(names(dataOf(await wide('GET', '/api/v1/models')))).toEqual(everything);
  expect(names(dataOf(await narrow('GET', '/api/v1/models')))).toEqual(['cheap']);
  expect(names(dataOf(await narrow('GET', '/v1/models')))).toEqual(['cheap']);
  expect((await narrow('GET', '/v1/models/cheap')).statusCode).toBe(200);
  expect((await narrow('GET', '/v1/models/other')).statusCode).toBe(404);
});
