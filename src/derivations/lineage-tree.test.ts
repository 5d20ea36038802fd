import { describe, expect, test } from 'vitest';
import { ancestorsOf, growTree, nearest } from './lineage-tree.ts';
import type { TreeRow } from './lineage.repository.ts';
import { diffWords } from './word-diff.ts';

const row = (id: string, parent: string | null, depth: number, micros = 1): TreeRow => ({
  id,
  parent_id: parent,
  depth,
  micros,
  created_at: new Date(0),
});

describe('a tree', () => {
  test('sums up every branch and keeps the order of the children', () => {
    const rows = [row('a', null, 0), row('b', 'a', 1, 2), row('c', 'a', 1, 4), row('d', 'b', 2, 8)];
    const places = growTree(rows, 'a');
    expect(places.get('a')).toMatchObject({ ownMicros: 1, branchMicros: 15, children: ['b', 'c'] });
    expect(places.get('b')).toMatchObject({ ownMicros: 2, branchMicros: 10, children: ['d'] });
    expect(ancestorsOf(places, 'd')).toEqual(['a', 'b']);
    expect(ancestorsOf(places, 'a')).toEqual([]);
  });

  test('can be walked through what was deleted, up and down', () => {
    const places = growTree([row('a', null, 0), row('d', 'c', 3), row('e', 'c', 3)], 'a');
    expect(places.get('c')).toMatchObject({ deleted: true, parentId: 'a', depth: 2, children: ['d', 'e'] });
    expect(ancestorsOf(places, 'd')).toEqual(['a', 'c']);
    expect(places.get('a')?.children).toEqual(['c']);
    expect(places.get('a')?.branchMicros).toBe(3);
    const rootless = growTree([row('b', 'a', 1)], 'a');
    expect(rootless.get('a')).toMatchObject({ deleted: true, parentId: null, depth: 0, children: ['b'] });
  });

  test('is shown from the inside out', () => {
    const children = Array.from({ length: 10 }, (_, index) => row(`b${index}`, 'a', 1));
    const places = growTree([row('a', null, 0), ...children, row('c', 'b3', 2), row('d', 'c', 3)], 'a');
    expect([...nearest(places, 'c', 4)].toSorted()).toEqual(['a', 'b3', 'c', 'd']);
    expect(nearest(places, 'c', 1000).size).toBe(13);
  });

  test('comes to an end even where the rows form a ring', () => {
    const places = growTree([row('a', 'b', 1), row('b', 'a', 1), row('s', 's', 1)], 'a');
    expect(ancestorsOf(places, 'a')).toEqual(['b']);
    expect(ancestorsOf(places, 's')).toEqual([]);
    expect(nearest(places, 'a', 10).size).toBe(2);
  });
});

describe('the difference of two prompts', () => {
  test('is told word by word', () => {
    expect(diffWords('a red boat', 'a blue boat')).toEqual([
      { text: 'a ' },
      { removed: true, text: 'red' },
      { added: true, text: 'blue' },
      { text: ' boat' },
    ]);
    expect(diffWords('same', 'same')).toEqual([{ text: 'same' }]);
  });

  test('gives both whole texts where they have little in common, and is quick about it', () => {
    const words = (seed: number) =>
      Array.from({ length: 5000 }, (_, index) => ((index * seed) % 7919).toString(36)).join(' ');
    const started = performance.now();
    const [removed, added] = diffWords(words(31), words(57));
    expect(removed).toEqual({ removed: true, text: words(31) });
    expect(added).toEqual({ added: true, text: words(57) });
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
