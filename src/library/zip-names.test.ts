import { assert, property, string } from 'fast-check';
import { expect, test } from 'vitest';
import type { Job } from '../jobs/job.ts';
import { createNamer, safeName } from './zip-names.ts';

const job = (fields: Partial<Job> = {}): Job =>
  ({
    id: 'video_1',
    name: 'Boat',
    prompt: 'a boat',
    model: 'sora-2',
    created_at: new Date('2026-11-20T23:00:00Z'),
    width: 64,
    height: 32,
    batch_id: null,
    ...fields,
  }) as Job;

test.each([
  [undefined, '2026-11-20-Boat-video_1'],
  ['{index}_{name}', '0007_Boat'],
  ['{model} {resolution} {prompt}', 'sora-2 64x32 a boat'],
  ['{batch}-{name}', 'Boat'],
  ['{name}-{batch}-{index}', 'Boat-0007'],
  ['a/{name}', 'a_Boat'],
  ['../{name}', '__Boat'],
])('the template %s makes %s', (template, expected) => {
  expect(createNamer(template)(job(), 7)).toBe(expected);
});

test.each([
  ['../../etc/passwd', '____etc_passwd'],
  ['C:\\Windows', 'C__Windows'],
  ['CON', '_CON'],
  ['con.txt', '_con.txt'],
  ['lpt1', '_lpt1'],
  ['manifest', '_manifest'],
  ['ends with dots...', 'ends with dots_'],
  ['ends with a dot.', 'ends with a dot'],
  ['  blanks  ', 'blanks'],
  ['a\u0000b\nc\u202ed', 'a b c d'],
  ['.hidden', 'hidden'],
  ['...', '_'],
  ['', 'video'],
  ['a\ud83d', 'a\ufffd'],
])('%j becomes the name %j', (text, expected) => {
  expect(safeName(text)).toBe(expected);
});

test('any text becomes a name that is no path, fits, and stays what it is', () => {
  assert(
    property(string({ unit: 'grapheme', maxLength: 400 }), (text) => {
      const name = safeName(text);
      expect(name).not.toMatch(/[/\\\p{Cc}]|\.\.|[. ]$/u);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(201);
      expect(name).not.toBe('');
      expect(safeName(name)).toBe(name);
    }),
  );
});

test('names are unique whatever their case', () => {
  const nameOf = createNamer('{name}');
  const names = ['Boat', 'boat', 'BOAT'].map((name) => nameOf(job({ name }), 1));
  expect(names).toEqual(['Boat', 'boat (2)', 'BOAT (3)']);
});

test('a place that is none is refused with the list of those there are', () => {
  expect(() => createNamer('{title}')).toThrow(/\{title\}; there are \{name\}, \{jobId\}/);
});
