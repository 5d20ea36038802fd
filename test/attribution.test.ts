import { expect, test } from 'vitest';
import { appWithUpstream, BODY, eventsOf, operationsOf, picture, workFor } from './attribution-kit.ts';
import type { MadeVideo } from './upstream-server.ts';

const COMPLETE = { list: 'complete' };
const PROMPT = 'A boat.\n\nAt dawn, cafe\u0301 by the lake, wide shot, film grain, no people ';
const HOUR = 3_600_000;

type Spelling = readonly [what: string, show: (video: MadeVideo) => object];

/** A create for each spelling: all are taken, all answers are lost, and the list shows each video in its own way. */
async function lostAndShown(spellings: readonly Spelling[]) {
  const { app, upstream } = await appWithUpstream({
    promises: COMPLETE,
    onCreate(_call, response, take) {
      take();
      response.destroy();
      return true;
    },
    show: (video, told) => ({ ...told, ...spellings[Number(video.prompt.split(' ', 1)[0])]?.[1](video) }),
  });
  const jobs = [];
  for (const index of spellings.keys()) {
    jobs.push((await app.admin.create({ ...BODY, prompt: `${index} ${PROMPT}` })).jobId);
  }
  await workFor(app, 20 * 60_000);
  const idOf = (index: number) => upstream.made.find(({ prompt }) => prompt.startsWith(`${index} `))?.id;
  return { app, upstream, jobs, idOf };
}

test('a lost answer is found in a list, however it spells what it tells', async () => {
  const spellings: Spelling[] = [
    ['as it was sent', () => ({})],
    ['the prompt trimmed', ({ prompt }) => ({ prompt: prompt.trim() })],
    ['the prompt in NFC', ({ prompt }) => ({ prompt: prompt.normalize('NFC') })],
    ['the prompt with collapsed white space', ({ prompt }) => ({ prompt: prompt.replace(/\s+/g, ' ') })],
    ['the size with a star', () => ({ size: '854*480' })],
    ['the length with a unit', () => ({ seconds: '3s' })],
    ['the model with its vendor', () => ({ model: 'vendor/simulator' })],
    ['times in milliseconds', ({ at }) => ({ created_at: at })],
  ];
  const { app, upstream, jobs, idOf } = await lostAndShown(spellings);
  expect(upstream.creates()).toBe(spellings.length);
  for (const [index, jobId] of jobs.entries()) {
    expect(await operationsOf(app, jobId), spellings[index]?.[0]).toEqual([idOf(index)]);
  }
});

test('a difference proves no absence: a person decides, and is shown what there is', async () => {
  const spellings: Spelling[] = [
    ['the prompt cut to 40 characters', ({ prompt }) => ({ prompt: prompt.slice(0, 40) })],
    ['the prompt cut with dots', ({ prompt }) => ({ prompt: `${prompt.slice(0, 40)}...` })],
    ['a prompt that the provider enhanced', () => ({ prompt: 'A cinematic shot of a vessel at sunrise' })],
    ['no prompt', () => ({ prompt: null })],
    ['the model by the name it is served under', () => ({ model: 'Wan-AI/Wan2.2-T2V-A14B' })],
    ['another size', () => ({ size: '848x480' })],
    ['another length', () => ({ seconds: '5' })],
    ['a clock five minutes slow', ({ at }) => ({ created_at: Math.floor(at / 1000) - 300 })],
    ['a clock half an hour fast', ({ at }) => ({ created_at: Math.floor(at / 1000) + 1800 })],
    ['no time', () => ({ created_at: null })],
  ];
  const { app, upstream, jobs } = await lostAndShown(spellings);
  expect(upstream.creates()).toBe(spellings.length);
  for (const [index, jobId] of jobs.entries()) {
    expect((await app.admin.get(jobId)).stage, spellings[index]?.[0]).toBe('needs_attention');
  }
  const answer = await app.admin.request('GET', '/api/v1/admin/jobs/doubtful');
  const { data } = answer.json() as { data: { evidence: { candidates: { id: string }[] } }[] };
  const candidates = data.map(({ evidence }) => evidence.candidates.map(({ id }) => id).toSorted());
  const all = upstream.made.map(({ id }) => id).toSorted();
  expect(candidates).toEqual(spellings.map(() => all));
  expect(answer.body).not.toContain('dawn');
});

test('a call that was not taken is made again once the complete list proves it', async () => {
  const { app, upstream } = await appWithUpstream({
    promises: COMPLETE,
    onCreate: (call, response) => (call === 1 ? Boolean(response.destroy()) : false),
  });
  const { jobId } = await app.admin.create(BODY);
  await workFor(app, 5 * 60_000);
  expect(upstream.made).toHaveLength(1);
  expect(await operationsOf(app, jobId)).toEqual(['up_1']);
});

test('videos that other programs made days ago do not stand in the way', async () => {
  const { app, upstream } = await appWithUpstream({
    promises: COMPLETE,
    onCreate: (call, response) => (call === 1 ? Boolean(response.destroy()) : false),
  });
  const old = {
    prompt: 'a boat',
    status: 'completed',
    picture: '',
    key: undefined,
    metadata: undefined,
    stops: 0,
  };
  upstream.made.push({ ...old, id: 'theirs', at: app.clock.now() - 3 * 24 * HOUR });
  const { jobId } = await app.admin.create(BODY);
  await workFor(app, 5 * 60_000);
  expect(await operationsOf(app, jobId)).toEqual(['up_2']);
});

test('without a promise a list that has shown every accepted video counts as complete, and the event says so', async () => {
  const { app, upstream } = await appWithUpstream({
    onCreate: (call, response) => (call === 7 ? Boolean(response.destroy()) : false),
  });
  for (let n = 0; n < 6; n += 1) await app.admin.create({ ...BODY, prompt: `video ${n}` });
  await app.settle();
  const { jobId } = await app.admin.create({ ...BODY, prompt: 'lost' });
  await workFor(app, 5 * 60_000);
  expect(upstream.made).toHaveLength(7);
  const { data } = await app.db
    .selectFrom('events')
    .select('data')
    .where('job_id', '=', jobId)
    .where('type', '=', 'job.requeued')
    .executeTakeFirstOrThrow();
  expect(data).toMatchObject({ evidence: { by: 'observation', seen: 6 } });
});

test('without a promise a list that lacks one of the accepted videos proves nothing', async () => {
  const { app, upstream } = await appWithUpstream({
    onCreate: (call, response) => (call === 7 ? Boolean(response.destroy()) : false),
  });
  for (let n = 0; n < 6; n += 1) await app.admin.create({ ...BODY, prompt: `video ${n}` });
  await app.settle();
  const { jobId } = await app.admin.create({ ...BODY, prompt: 'lost' });
  const [hidden] = upstream.made.splice(2, 1);
  await workFor(app, 20 * 60_000);
  expect(hidden).toBeDefined();
  expect(upstream.creates()).toBe(7);
  expect((await app.admin.get(jobId)).stage).toBe('needs_attention');
});

test('a video whose owner deleted it here is still known not to be another job’s', async () => {
  const { app, upstream } = await appWithUpstream({
    promises: { ...COMPLETE, delete_stops: false },
    onCreate: (call, response) => (call === 2 ? Boolean(response.destroy()) : false),
  });
  const first = await app.admin.create(BODY);
  await app.settle();
  expect((await app.admin.request('DELETE', `/v1/videos/${first.jobId}`)).statusCode).toBe(200);
  await app.settle();
  const { jobId } = await app.admin.create(BODY);
  await workFor(app, 5 * 60_000);
  expect(await operationsOf(app, jobId)).toEqual(['up_2']);
  expect(upstream.made).toHaveLength(2);
});

test('a picture’s video is never claimed by its words: the marker says whose it is, where the provider keeps it', async () => {
  const stage = async (promises: object) => {
    const { app, upstream } = await appWithUpstream({
      promises: { ...COMPLETE, ...promises },
      onCreate(call, response, take) {
        if (call > 1) return false;
        take();
        response.destroy();
        return true;
      },
    });
    const { jobId } = await app.admin.create({ ...BODY, inputReference: await picture('red') });
    await workFor(app, 20 * 60_000);
    return { stage: (await app.admin.get(jobId)).stage, creates: upstream.creates() };
  };
  expect(await stage({})).toEqual({ stage: 'needs_attention', creates: 1 });
  expect(await stage({ metadata: true })).toEqual({ stage: 'rendering', creates: 1 });
});

test('a doubt that an operator was asked about resolves itself when the list says more', async () => {
  let isCut = true;
  const { app, upstream } = await appWithUpstream({
    promises: COMPLETE,
    onCreate(call, response, take) {
      if (call > 1) return false;
      take();
      response.destroy();
      return true;
    },
    show: (video, told) => (isCut ? { ...told, prompt: video.prompt.slice(0, 3) } : told),
  });
  const { jobId } = await app.admin.create(BODY);
  await workFor(app, 17 * 60_000);
  expect((await app.admin.get(jobId)).stage).toBe('needs_attention');
  isCut = false;
  await workFor(app, 3 * 60_000);
  expect((await app.admin.get(jobId)).stage).toBe('rendering');
  expect(upstream.creates()).toBe(1);
  expect(await eventsOf(app, jobId)).toContain('job.needs_attention');
});
