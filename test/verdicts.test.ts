import { expect, test } from 'vitest';
import { json, PAGE, pass, stageVideos, standings, unknown } from './video-server.ts';

const isContent = (url: string | undefined) => url?.endsWith('/content') === true;
const lose = (response: Parameters<typeof unknown>[0]) => {
  unknown(response);
  return true;
};
const lastErrorOf = (job: { lastError: { code: string } | null }) => job.lastError?.code ?? null;

test('a second in which the provider knows none of its videos fails none of them, in its own words or a gateway’s', async () => {
  const { app, server } = await stageVideos(20);
  await app.clock.advance(40_000);
  for (const body of [PAGE, '{"error":{"code":"not_found","message":"No such video."}}']) {
    const type = body.startsWith('<') ? 'text/html' : 'application/json';
    server.instead = (_request, response) => {
      response.writeHead(404, { 'content-type': type }).end(body);
      return true;
    };
    await app.app.engine.step('polling');
    await app.clock.advance(1000);
    server.instead = () => false;
    await app.app.engine.step('polling');
    await app.clock.advance(60_000);
  }
  expect(await standings(app)).toEqual({ rendering: 20 });
});

test('one lost video among many fails after ten minutes and several looks, not before; the others go on', async () => {
  const { app, server, jobIds } = await stageVideos(12);
  const lost = server.ids.at(-1) ?? '';
  server.instead = (request, response) => request.url?.endsWith(`/${lost}`) === true && lose(response);
  await pass(app, 9);
  expect(await standings(app)).toEqual({ rendering: 12 });
  await pass(app, 3);
  expect(await standings(app)).toEqual({ rendering: 11, upstream_lost_job: 1 });
  expect((await app.admin.get(jobIds[0] ?? '')).error).toMatchObject({
    code: 'upstream_lost_job',
    charged: null,
  });
});

test('a video that comes and goes is never given up: its clock starts again each time it is there', async () => {
  const { app, server } = await stageVideos(2);
  let minute = 0;
  server.instead = (request, response) => request.method === 'GET' && minute % 6 !== 0 && lose(response);
  for (minute = 1; minute <= 30; minute += 1) await pass(app, 1);
  expect(await standings(app)).toEqual({ rendering: 2 });
});

test('many that vanish at once are an outage: no verdict while it lasts, nor right after it', async () => {
  const { app, server } = await stageVideos(20);
  const vanished = new Set(server.ids.slice(0, 8));
  const isGone = (url = '') => vanished.has(url.split('/').at(-1) ?? '');
  server.instead = (request, response) => isGone(request.url) && lose(response);
  await pass(app, 40, 120);
  expect(await standings(app)).toEqual({ rendering: 20 });
  for (const id of [...vanished].slice(1)) vanished.delete(id);
  await pass(app, 5);
  expect(await standings(app)).toEqual({ rendering: 20 });
  await pass(app, 13, 60);
  expect(await standings(app)).toEqual({ rendering: 19, upstream_lost_job: 1 });
});

test('a server that has forgotten all its videos is believed in the end, sooner where its list lacks them too', async () => {
  const { app, server } = await stageVideos(6, { list: 'complete' });
  server.ids.length = 0;
  await pass(app, 50, 150);
  expect(await standings(app)).toEqual({ rendering: 6 });
  await pass(app, 16, 120);
  expect(await standings(app)).toEqual({ upstream_lost_job: 6 });
});

test('files that are late, by a page or in the provider’s words, are fetched when they come', async () => {
  const { app, server } = await stageVideos(2);
  server.status = 'completed';
  let words: 'page' | 'json' | 'none' = 'page';
  server.instead = (request, response) => {
    if (!isContent(request.url) || words === 'none') return false;
    if (words === 'json') unknown(response);
    else response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    return true;
  };
  await pass(app, 15, 60);
  words = 'json';
  await pass(app, 50, 150);
  expect(await standings(app)).toEqual({ archiving: 2 });
  words = 'none';
  await pass(app, 8, 60);
  expect(await standings(app)).toEqual({ completed: 2 });
});

test('the same words of a server that fails at a file fail the job with them after ten minutes', async () => {
  const { app, server, jobIds } = await stageVideos(1);
  server.status = 'completed';
  server.instead = (request, response) => {
    if (!isContent(request.url)) return false;
    json(response, 500, { error: { message: 'No response data in completed operation' } });
    return true;
  };
  await pass(app, 9);
  expect(await standings(app)).toEqual({ archiving: 1 });
  await pass(app, 6);
  const { error } = await app.admin.get(jobIds[0] ?? '');
  expect(error?.code).toBe('upstream_file_missing');
  expect(error?.message).toContain('No response data in completed operation');
});

test('a 503 is no verdict on a file, whatever words come with it and however long', async () => {
  const { app, server, jobIds } = await stageVideos(1);
  server.status = 'completed';
  server.instead = (request, response) => {
    if (!isContent(request.url)) return false;
    json(response, 503, { error: { message: 'The store is away' } });
    return true;
  };
  await pass(app, 180, 300);
  expect(await standings(app)).toEqual({ archiving: 1 });
  const job = await app.admin.get(jobIds[0] ?? '');
  expect([job.status, job.error, lastErrorOf(job)]).toEqual(['processing', null, 'http_503']);
});

test('a job that waits long says what for, gives its place to the next, and holds it again once it is answered for', async () => {
  const { app, server, jobIds } = await stageVideos(1);
  const [first = ''] = jobIds;
  const next = await app.admin.create({
    prompt: 'next',
    model: 'simulator',
    resolution: '854x480',
    duration: 2,
  });
  const stuck = server.ids[0] ?? '';
  server.instead = (request, response) => {
    if (request.url?.endsWith(`/${stuck}`) !== true) return false;
    json(response, 500, { error: { code: 'bad_state', message: 'generatedSamples Field required' } });
    return true;
  };
  await pass(app, 9);
  expect((await app.admin.get(next.jobId)).stage).toBe('queued');
  await pass(app, 6);
  expect(await app.admin.get(first)).toMatchObject({
    status: 'processing',
    error: null,
    lastError: { code: 'bad_state', message: 'The upstream answered 500: generatedSamples Field required' },
  });
  expect((await app.admin.get(next.jobId)).stage).toBe('rendering');
  server.instead = () => false;
  await pass(app, 2);
  expect(lastErrorOf(await app.admin.get(first))).toBeNull();
  const row = await app.db
    .selectFrom('jobs')
    .select('place_given_up_at')
    .where('id', '=', first)
    .executeTakeFirst();
  expect(row?.place_given_up_at).toBeNull();
});

test('a provider that cannot be asked at all takes no place from anybody: the next would fare alike', async () => {
  const { app, server, jobIds } = await stageVideos(1);
  server.instead = (request, response) => {
    if (request.method !== 'GET') return false;
    response.writeHead(502, { 'content-type': 'text/html' }).end(PAGE);
    return true;
  };
  const next = await app.admin.create({
    prompt: 'next',
    model: 'simulator',
    resolution: '854x480',
    duration: 2,
  });
  await pass(app, 30, 60);
  expect((await app.admin.get(next.jobId)).stage).toBe('queued');
  expect(lastErrorOf(await app.admin.get(jobIds[0] ?? ''))).toBe('http_502');
});
