import { expect, test } from 'vitest';
import type { DuePoll } from './poll.repository.ts';
import { estimateEnd, nextPollMs } from './poll-schedule.ts';

const poll: DuePoll = {
  jobId: 'video_1',
  attemptNumber: 1,
  connection: 'c',
  operation: null,
  model: 'm',
  seconds: 4,
  progress: 0,
  count: 0,
  startedAt: new Date(0),
  deadlineAt: new Date(3_600_000),
};
const times = { early: 40_000, usual: 60_000 };

test('nothing learned: quick at first, calmer with time', () => {
  expect(nextPollMs(poll, {}, undefined, 0)).toBeLessThanOrEqual(1000);
  const late = nextPollMs({ ...poll, count: 50 }, {}, undefined, 0);
  expect(late).toBeGreaterThanOrEqual(5000);
  expect(late).toBeLessThanOrEqual(10_000);
});

test('former runs say when asking is worth it', () => {
  expect(nextPollMs(poll, {}, times, 10_000)).toBe(30_000);
  expect(nextPollMs({ ...poll, count: 9 }, {}, times, 55_000)).toBe(1000);
  expect(nextPollMs({ ...poll, count: 50 }, {}, times, 120_000)).toBeGreaterThanOrEqual(5000);
});

test('the upstream is listened to, lists are looked at every second, the overdue and the silent less often', () => {
  expect(nextPollMs(poll, { askedMs: 7000 }, times, 0)).toBe(7000);
  expect(nextPollMs(poll, { askedMs: 7e9 }, times, 0)).toBe(60_000);
  expect(nextPollMs(poll, { listed: true, askedMs: 7000 }, times, 0)).toBe(1000);
  expect(nextPollMs(poll, { listed: true }, times, 3_600_000)).toBe(60_000);
  expect(nextPollMs(poll, { failed: true, askedMs: 30_000 }, times, 0)).toBe(30_000);
  expect(nextPollMs({ ...poll, count: 99 }, { failed: true }, undefined, 0)).toBeGreaterThanOrEqual(30_000);
});

test('the end is estimated from progress, else from former runs, else not at all', () => {
  expect(estimateEnd(poll, 50, times, 20_000)).toEqual(new Date(40_000));
  expect(estimateEnd(poll, 0, times, 20_000)).toEqual(new Date(60_000));
  expect(estimateEnd(poll, 0, times, 90_000)).toEqual(new Date(90_000));
  expect(estimateEnd(poll, 9, undefined, 20_000)).toBeNull();
});

test('what is found in a list falls due together, whenever each was begun, and a list that cannot be read is tried soon', () => {
  const due = (now: number) => now + nextPollMs(poll, { listed: true }, undefined, now);
  expect([10_010, 10_250, 10_490].map(due)).toEqual([11_000, 11_000, 11_000]);
  expect(due(10_510)).toBe(12_000);
  const long = { ...poll, count: 99 };
  expect(nextPollMs(long, { listed: true, failed: true }, undefined, 0)).toBe(5000);
});
