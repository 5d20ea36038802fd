import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { allowance, firstPace, type PaceLimits, slowedDown, spedUp } from './pace.ts';

const at = (ms: number) => new Date(1_000_000 + ms);
const TEN: PaceLimits = { maxRunning: 10, maxCallsPerMinute: undefined };

test('with nothing learned, the limit counts', () => {
  const state = firstPace(TEN, at(0));
  expect(allowance(state, TEN, 4, at(0)).free).toBe(6);
  expect(allowance(state, TEN, 12, at(0)).free).toBe(0);
});

test('a refusal halves what runs at once and blocks for as long as it says; acceptance wins it back', () => {
  let state = slowedDown(firstPace(TEN, at(0)), 8, 5000, at(0));
  expect(state.allowed).toBe(4);
  expect(allowance(state, TEN, 0, at(4999)).free).toBe(0);
  expect(allowance(state, TEN, 0, at(5000)).free).toBe(4);
  for (let accepted = 0; accepted < 4; accepted += 1) state = spedUp(state, TEN);
  expect(Math.floor(state.allowed ?? 0)).toBe(4);
  for (let accepted = 0; accepted < 60; accepted += 1) state = spedUp(state, TEN);
  expect(state.allowed).toBeNull();
});

test('a burst of refusals is one sign, and the longest wait holds', () => {
  let state = slowedDown(firstPace(TEN, at(0)), 8, 5000, at(0));
  state = slowedDown(state, 8, 1000, at(100));
  expect(state).toMatchObject({ allowed: 4, blocked_until: at(5000) });
  expect(slowedDown(state, 4, 1000, at(2000)).allowed).toBe(2);
});

test('time alone wins it back as well', () => {
  const state = slowedDown(firstPace(TEN, at(0)), 2, 1000, at(0));
  expect(allowance(state, TEN, 0, at(1000)).free).toBe(1);
  expect(allowance(state, TEN, 0, at(30_000)).free).toBe(4);
  expect(allowance(state, TEN, 0, at(3_600_000)).free).toBe(10);
});

test('calls per minute come back evenly and never pile up', () => {
  const limits = { maxRunning: 1000, maxCallsPerMinute: 60 };
  const spent = { ...firstPace(limits, at(0)), tokens: 0 };
  expect(allowance(spent, limits, 0, at(0)).free).toBe(0);
  expect(allowance(spent, limits, 0, at(10_000)).free).toBe(10);
  expect(allowance(spent, limits, 0, at(600_000)).free).toBe(60);
});

test('whatever happens, at least one may run and never more than the limit', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 200 }),
      fc.integer({ min: 1, max: 50 }),
      (story, maxRunning) => {
        const limits = { maxRunning, maxCallsPerMinute: undefined };
        let state = firstPace(limits, at(0));
        for (const [index, refused] of story.entries()) {
          state = refused ? slowedDown(state, maxRunning, 0, at(index * 2000)) : spedUp(state, limits);
          const { free } = allowance(state, limits, 0, at(index * 2000));
          expect(free).toBeGreaterThanOrEqual(1);
          expect(free).toBeLessThanOrEqual(maxRunning);
        }
      },
    ),
  );
});
