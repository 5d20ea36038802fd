import type { TreeRow } from './lineage.repository.ts';

/** One place in the tree: a video that is there, or one that was deleted and has left descendants. */
export interface Place {
  id: string;
  parentId: string | null;
  depth: number;
  /** Own, and with everything that came of it. 0 for a deleted one: what it cost is not known any more. */
  ownMicros: number;
  branchMicros: number;
  deleted: boolean;
  children: string[];
}

/**
 * Puts the rows of one tree together. A parent that is not among them was deleted: it keeps a place, so that the way up
 * and down leads through it. Where even its own parent is unknown, it hangs on the first video.
 */
export function growTree(rows: readonly TreeRow[], rootId: string): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const { id, parent_id: parentId, depth, micros } of rows) {
    const own = { ownMicros: micros, branchMicros: micros };
    places.set(id, { id, parentId, depth, ...own, deleted: false, children: [] });
  }
  for (const { parent_id: id, depth } of rows) {
    if (id !== null && !places.has(id)) places.set(id, stub(id, rootId, depth - 1));
  }
  if (!places.has(rootId)) places.set(rootId, stub(rootId, rootId, 0));
  const deepestFirst = [...places.values()].toSorted((a, b) => b.depth - a.depth);
  for (const place of deepestFirst) {
    const parent = place.parentId === null ? undefined : places.get(place.parentId);
    if (parent) parent.branchMicros += place.branchMicros;
  }
  // Rows come oldest first, and so do children; those whose age is unknown come last.
  for (const { id, parentId } of places.values()) {
    if (parentId !== null) places.get(parentId)?.children.push(id);
  }
  return places;
}

function stub(id: string, rootId: string, depth: number): Place {
  const parentId = id === rootId ? null : rootId;
  return { id, parentId, depth, ownMicros: 0, branchMicros: 0, deleted: true, children: [] };
}

/** The way from the first video down to this one, without it; an end also to rows that somebody has tied into a ring. */
export function ancestorsOf(places: ReadonlyMap<string, Place>, id: string): string[] {
  const way = new Set<string>();
  for (let at = places.get(id)?.parentId; at && at !== id && !way.has(at); at = places.get(at)?.parentId) {
    way.add(at);
  }
  return [...way].reverse();
}

/** The ids nearest to a video, counted in steps along the tree, at most so many. */
export function nearest(places: ReadonlyMap<string, Place>, id: string, most: number): Set<string> {
  const seen = new Set([id]);
  for (const each of seen) {
    const place = places.get(each);
    for (const next of [place?.parentId, ...(place?.children ?? [])]) {
      if (seen.size >= most) return seen;
      if (next) seen.add(next);
    }
  }
  return seen;
}
