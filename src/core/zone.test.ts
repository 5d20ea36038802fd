import { expect, test } from 'vitest';
import { dayIn, findTimeZone, startOfDay } from './zone.ts';

test.each([
  ['UTC', '2026-11-21', '2026-11-21T00:00:00Z'],
  ['Asia/Kathmandu', '2026-11-21', '2026-11-20T18:15:00Z'],
  ['Pacific/Kiritimati', '2026-11-21', '2026-11-20T10:00:00Z'],
  ['Europe/Berlin', '2026-03-29', '2026-03-28T23:00:00Z'],
  ['Europe/Berlin', '2026-03-30', '2026-03-29T22:00:00Z'],
  ['Europe/Berlin', '2026-10-26', '2026-10-25T23:00:00Z'],
  // Clocks skip midnight, west and east of Greenwich.
  ['America/Santiago', '2026-09-06', '2026-09-06T04:00:00Z'],
  ['America/Havana', '2026-03-08', '2026-03-08T05:00:00Z'],
  ['Atlantic/Azores', '2026-03-29', '2026-03-29T01:00:00Z'],
  ['Asia/Beirut', '2026-03-29', '2026-03-28T22:00:00Z'],
  // Midnight comes twice.
  ['America/Havana', '2026-11-01', '2026-11-01T04:00:00Z'],
  ['Asia/Amman', '2021-10-29', '2021-10-28T21:00:00Z'],
  // At midnight it is an hour before once more.
  ['Asia/Beirut', '2026-10-25', '2026-10-24T22:00:00Z'],
])('in %s the day %s begins at %s', (zone, day, begin) => {
  const at = startOfDay(zone, day);
  expect(new Date(at).toISOString()).toBe(new Date(begin).toISOString());
  expect(dayIn(zone, at)).toBe(day);
  expect(dayIn(zone, at - 1)).not.toBe(day);
});

test.each([
  ['Europe/Berlin', 'Europe/Berlin'],
  ['eUROPE/bERLIN', 'Europe/Berlin'],
  ['utc', 'UTC'],
  ['CET', 'Europe/Brussels'],
  ['Mars/Olympus', undefined],
  ['+05:30', undefined],
  ['', undefined],
])('the time zone %j is %j', (name, zone) => {
  expect(findTimeZone(name)).toBe(zone);
});
