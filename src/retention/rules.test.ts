import { describe, expect, test } from 'vitest';
import { type Candidate, DAY_MS, expiring, parseBytes, parseTagRules, type RetentionRules } from './rules.ts';

const NOW = Date.UTC(2026, 5, 1);
const ago = (days: number) => new Date(NOW - days * DAY_MS);
const KEEP: RetentionRules = {
  days: Infinity,
  maxBytes: Infinity,
  tags: {},
  trashDays: 30,
  assetDays: 30,
};

function video(id: string, ageDays: number, more: Partial<Candidate> = {}): Candidate {
  const standing = { importedAt: null, trashedAt: null, pinned: false, needed: false, tags: [] };
  return { id, finishedAt: ago(ageDays), storedBytes: 10, ...standing, ...more };
}

type Case = [what: string, rules: Partial<RetentionRules>, videos: Candidate[], gone: Record<string, string>];

const tags = { temp: 7, keep: Infinity, long: 100 };

test.each<Case>([
  ['without rules all stay', {}, [video('a', 10_000)], {}],
  ['age counts to the millisecond', { days: 30 }, [video('a', 30), video('b', 29.999_999)], { a: 'age' }],
  ['an open job has no age', { days: 1 }, [video('a', 9, { finishedAt: null })], {}],
  ['what is pinned stays', { days: 1, maxBytes: 1 }, [video('a', 9, { pinned: true })], {}],
  ['what is needed stays', { days: 1, maxBytes: 1 }, [video('a', 9, { needed: true })], {}],
  ['an import is new', { days: 30 }, [video('a', 999, { importedAt: ago(2) })], {}],
  ['an import ages, too', { days: 30 }, [video('a', 999, { importedAt: ago(31) })], { a: 'age' }],
  ['a tag shortens', { days: 30, tags }, [video('a', 8, { tags: ['temp'] }), video('b', 8)], { a: 'tag' }],
  ['a tag lengthens', { days: 30, tags }, [video('a', 31, { tags: ['long'] })], {}],
  ['the longest of its tags holds', { days: 1, tags }, [video('a', 50, { tags: ['temp', 'long'] })], {}],
  ['never keeps', { days: 1, tags }, [video('a', 999, { tags: ['temp', 'keep'] })], {}],
  ['other tags say nothing', { days: 1, tags }, [video('a', 2, { tags: ['toString'] })], { a: 'age' }],
  ['a tag needs no other rule', { tags }, [video('a', 8, { tags: ['temp'] }), video('b', 999)], { a: 'tag' }],
  [
    'trash is emptied by its own time',
    {},
    [video('a', 99, { trashedAt: ago(30) }), video('b', 99, { trashedAt: ago(29) })],
    { a: 'trash' },
  ],
  [
    'never does not hold in the trash',
    { tags },
    [video('a', 99, { trashedAt: ago(31), tags: ['keep'] })],
    { a: 'trash' },
  ],
  ['age goes on in the trash', { days: 30 }, [video('a', 31, { trashedAt: ago(1) })], { a: 'age' }],
  ['a pin holds in the trash', {}, [video('a', 99, { trashedAt: ago(90), pinned: true })], {}],
  [
    'the oldest make room, as many as it takes',
    { maxBytes: 20 },
    [video('a', 1), video('b', 4), video('c', 3), video('d', 2)],
    { b: 'bytes', c: 'bytes' },
  ],
  ['exactly full is not too full', { maxBytes: 20 }, [video('a', 1), video('b', 4)], {}],
  [
    'what is in the trash makes room first',
    { maxBytes: 10 },
    [video('a', 9), video('b', 1, { trashedAt: ago(0.5) })],
    { b: 'bytes' },
  ],
  [
    'pinned bytes count, and others go for them',
    { maxBytes: 10 },
    [video('a', 9, { pinned: true }), video('b', 1)],
    { b: 'bytes' },
  ],
  [
    'what never goes does not go for its room, but out of the trash',
    { maxBytes: 1, tags },
    [video('a', 9, { tags: ['keep'] }), video('b', 9, { tags: ['keep'], trashedAt: ago(1) })],
    { b: 'bytes' },
  ],
  [
    'what goes by its age has made room already',
    { maxBytes: 10, days: 5 },
    [video('a', 9), video('b', 3)],
    { a: 'age' },
  ],
  [
    'what takes no room makes none',
    { maxBytes: 5 },
    [video('a', 9, { storedBytes: 0 }), video('b', 1)],
    { b: 'bytes' },
  ],
])('%s', (_what, rules, videos, gone) => {
  expect(Object.fromEntries(expiring(videos, { ...KEEP, ...rules }, NOW))).toEqual(gone);
});

describe('settings', () => {
  test.each([
    ['temp=7,keep=never', { temp: 7, keep: Infinity }],
    [' a b = 0 , x=y=3', { 'a b': 0, 'x=y': 3 }],
    ['', {}],
  ])('tags: %j', (text, rules) => expect(parseTagRules(text)).toEqual(rules));

  test.each(['temp', 'temp=', 'temp=soon', '=7', 'temp=-1', 'temp=1.5', 'temp=7,temp=8', 'temp=123456'])(
    'no tags: %j',
    (text) => expect(() => parseTagRules(text)).toThrow(/./),
  );

  test.each([
    ['500GB', 500e9],
    ['1.5 TiB', 1.5 * 1024 ** 4],
    ['20mb', 20e6],
    ['7k', 7000],
    ['123', 123],
    ['123 B', 123],
  ])('size: %s', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  test.each(['', '0', 'GB', '5 XB', '-1GB', '1e9', '99999999TB', '5 GBB'])('no size: %j', (text) =>
    expect(() => parseBytes(text)).toThrow('not a size'),
  );
});
