import { expect, test } from 'vitest';
import { createFloor } from './outbox-floor.ts';

test('as long as looks are fast, each sees all lines', () => {
  const floor = createFloor();
  floor.looked({ above: 0, startedMs: 0, endedMs: 5, top: 1000, isAll: true });
  expect(floor.at(5)).toBe(0);
});

test('after a slow look dead lines are passed over, and all are looked at again in one part of the time', () => {
  const floor = createFloor();
  floor.looked({ above: 0, startedMs: 0, endedMs: 100, top: 1_000_000, isAll: true });
  expect(floor.at(101)).toBe(1_000_000);
  floor.looked({ above: 1_000_000, startedMs: 101, endedMs: 102, top: 1_000_500, isAll: true });
  expect(floor.at(2099)).toBe(1_000_000);
  expect(floor.at(2100)).toBe(0);
});

test('ids that begin again after a crash are not passed over', () => {
  const floor = createFloor();
  floor.looked({ above: 0, startedMs: 0, endedMs: 100, top: 1_000_000, isAll: true });
  floor.looked({ above: 1_000_000, startedMs: 200, endedMs: 201, top: 3, isAll: true });
  expect(floor.at(202)).toBe(0);
});
