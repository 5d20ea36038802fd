import { expect, test } from 'vitest';
import type { DuePoll } from './poll.repository.ts';
import { estimateEnd, nextListedMs, nextPollMs, walkPauseMs } from './poll-schedule.ts';

const poll: DuePoll = {
  jobId: 'video_1',
  attemptNumber: 1,
  connection: 'c',
  operation: null,
  model: 'm',
  seconds: 4,
  progress: 0,
  count: 0,
  dueAt: new Date(0),
  troubled: false,
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

test('the upstream is listened to; the overdue and the silent are asked about less often', () => {
  expect(nextPollMs(poll, { askedMs: 7000 }, times, 0)).toBe(7000);
  expect(nextPollMs(poll, { askedMs: 7e9 }, times, 0)).toBe(60_000);
  expect(nextPollMs(poll, {}, times, 3_600_000)).toBe(60_000);
  expect(nextPollMs(poll, { failed: true, askedMs: 30_000 }, times, 0)).toBe(30_000);
  expect(nextPollMs({ ...poll, count: 99 }, { failed: true }, undefined, 0)).toBeGreaterThanOrEqual(30_000);
});

test('the end is estimated from progress, else from former runs, else not at all', () => {
  expect(estimateEnd(poll, 50, times, 20_000)).toEqual(new Date(40_000));
  expect(estimateEnd(poll, 0, times, 20_000)).toEqual(new Date(60_000));
  expect(estimateEnd(poll, 0, times, 90_000)).toEqual(new Date(90_000));
  expect(estimateEnd(poll, 9, undefined, 20_000)).toBeNull();
});

test('the more there are, the rarer each is asked about by itself: a connection is worth some looks a second', () => {
  expect(nextPollMs(poll, { running: 100 }, undefined, 0)).toBeLessThanOrEqual(1000);
  expect(nextPollMs(poll, { running: 5000 }, undefined, 0)).toBe(24_000);
  expect(nextPollMs(poll, { running: 1_000_000 }, undefined, 0)).toBe(60_000);
});

test('what a list tells of is looked for with each walk, and nothing is written for that', () => {
  expect(nextListedMs(poll, times, { now: 10_000, running: 499 })).toBeUndefined();
  expect(nextListedMs(poll, undefined, { now: 10_000, running: 100_000 })).toBeUndefined();
});

test('in a crowd, what cannot be done for a while is not looked for; the overdue is looked for less often', () => {
  expect(nextListedMs(poll, times, { now: 10_000, running: 5000 })).toBe(30_000);
  expect(nextListedMs(poll, times, { now: 35_000, running: 5000 })).toBeUndefined();
  expect(nextListedMs(poll, { early: 600_000, usual: 700_000 }, { now: 0, running: 5000 })).toBe(60_000);
  expect(nextListedMs(poll, times, { now: 3_600_000, running: 5 })).toBe(60_000);
});

test('walks begin at full seconds, grow rarer with the number, and rest after a list that cannot be read', () => {
  const due = (now: number) => now + walkPauseMs({ running: 100, begunAt: now, now });
  expect([10_010, 10_250, 10_490].map(due)).toEqual([11_000, 11_000, 11_000]);
  expect(due(10_510)).toBe(12_000);
  expect(walkPauseMs({ running: 100_000, begunAt: 0, now: 0 })).toBe(20_000);
  expect(walkPauseMs({ running: 100, begunAt: 0, now: 50_000 })).toBe(1000);
  const error = { kind: 'ambiguous', retryAfterMs: undefined };
  expect(walkPauseMs({ running: 100, begunAt: 0, now: 0, error })).toBe(5000);
  expect(walkPauseMs({ running: 100, begunAt: 0, now: 0, error: { ...error, retryAfterMs: 7e9 } })).toBe(
    60_000,
  );
  expect(walkPauseMs({ running: 100, begunAt: 0, now: 0, error: { ...error, kind: 'gone' } })).toBe(1000);
});
