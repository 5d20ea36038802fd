import { expect, test } from 'vitest';
import { createSharedClock } from './shared-clock.ts';

/** A process on a machine of its own, and a source of time that takes a while to answer. */
function stage() {
  const machine = { localMs: 0, wallMs: 0, sourceMs: 0 };
  const delays: [number, number][] = [];
  const pass = (ms: number) => {
    machine.localMs += ms;
    machine.wallMs += ms;
    machine.sourceMs += ms;
  };
  const clock = createSharedClock({
    local: { now: () => machine.localMs, after: () => () => {} },
    wall: () => machine.wallMs,
    async ask() {
      const [there = 0, back = 0] = delays.shift() ?? [];
      pass(there);
      const answer = machine.sourceMs;
      pass(back);
      return answer;
    },
  });
  return { clock, machine, delays, pass };
}

test('a machine whose clock is ahead tells the shared time, and by how much it is wrong', async () => {
  const { clock, machine } = stage();
  machine.localMs = machine.wallMs = 170_000;
  machine.sourceMs = 100_000;
  await clock.sync();
  expect(clock.now()).toBe(100_000);
  expect(clock.skewMs()).toBe(70_000);
});

test('a wall clock that is set moves no shared time, and shows as a skew at once', async () => {
  const { clock, machine, pass } = stage();
  await clock.sync();
  machine.wallMs -= 60_000;
  pass(1000);
  expect(clock.now()).toBe(1000);
  expect(clock.skewMs()).toBe(-60_000);
});

test('of several answers the quickest is believed', async () => {
  const { clock, machine, delays } = stage();
  machine.sourceMs = 5000;
  delays.push([900, 0], [1, 1], [0, 300]);
  await clock.sync();
  expect(clock.now()).toBe(machine.sourceMs);
});

test('what a slow answer cannot tell from the former measure moves nothing', async () => {
  const { clock, machine, delays } = stage();
  await clock.sync();
  delays.push([80, 0], [80, 0], [80, 0]);
  await clock.sync();
  expect(clock.now()).toBe(machine.sourceMs);
});

test('a source that does not answer leaves the last measure in use', async () => {
  let isAway = false;
  const clock = createSharedClock({
    local: { now: () => 10, after: () => () => {} },
    wall: () => 10,
    ask: () => (isAway ? Promise.reject(new Error('away')) : Promise.resolve(500)),
  });
  await clock.sync();
  isAway = true;
  await expect(clock.sync()).rejects.toThrow('away');
  expect(clock.now()).toBe(500);
});
