import { expect, test } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.ts';

const PLACE = { at: new Date('2026-11-21T07:00:00.123Z'), id: 'video_1' };
const packed = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a cursor leads back to its place', () => {
  const cursor = encodeCursor('jobs', PLACE);
  expect(cursor).toMatch(/^[\w-]+$/);
  expect(decodeCursor('jobs', cursor)).toEqual(PLACE);
});

test.each([
  ['nothing', ''],
  ['a word', 'abc'],
  ['JSON of another form', packed({ at: 1 })],
  ['another list', encodeCursor('batches', PLACE)],
  ['a time that is none', packed(['jobs', 'soon', 'video_1'])],
  ['a time before all databases', packed(['jobs', '-271821-04-20T00:00:00.000Z', 'video_1'])],
  ['an id that is a number', packed(['jobs', PLACE.at.toISOString(), 1])],
  ['an id that no database takes', packed(['jobs', PLACE.at.toISOString(), 'video_\u0000'])],
])('%s is refused', (_what, cursor) => {
  expect(() => decodeCursor('jobs', cursor)).toThrow(expect.objectContaining({ code: 'invalid_cursor' }));
});
