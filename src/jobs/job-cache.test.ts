import { expect, test } from 'vitest';
import type { Job } from './job.ts';
import { createJobCache } from './job-cache.ts';

const jobNamed = (name: string) => ({ id: 'a', name }) as Job;

function reliableCache() {
  const cache = createJobCache();
  cache.reset(true);
  return cache;
}

test('a job is loaded once, also for many who ask at the same time', async () => {
  const cache = reliableCache();
  let loads = 0;
  const load = async () => {
    loads += 1;
    return jobNamed('one');
  };
  await Promise.all([cache.get('a', load), cache.get('a', load)]);
  expect((await cache.get('a', load))?.job.name).toBe('one');
  expect(loads).toBe(1);
});

test('after a change it is loaded anew', async () => {
  const cache = reliableCache();
  await cache.get('a', async () => jobNamed('old'));
  cache.drop('a');
  expect((await cache.get('a', async () => jobNamed('new')))?.job.name).toBe('new');
});

test('a load that began before a change is not kept', async () => {
  const cache = reliableCache();
  let finish: (job: Job) => void = () => {};
  const slow = cache.get('a', () => new Promise<Job>((resolve) => (finish = resolve)));
  cache.drop('a');
  finish(jobNamed('old'));
  await slow;
  expect((await cache.get('a', async () => jobNamed('new')))?.job.name).toBe('new');
});

test('without notifications nothing is kept, and what is not there is never kept', async () => {
  const cache = createJobCache();
  await cache.get('a', async () => jobNamed('old'));
  expect((await cache.get('a', async () => jobNamed('new')))?.job.name).toBe('new');
  cache.reset(true);
  expect(await cache.get('b', async () => undefined)).toBeUndefined();
  expect((await cache.get('b', async () => jobNamed('b')))?.job.name).toBe('b');
  cache.reset(false);
  expect((await cache.get('b', async () => jobNamed('c')))?.job.name).toBe('c');
});
