import { ProviderError } from '../provider.ts';
import type { VideoAnswer } from './answer.ts';
import type { ServerConnection } from './connection.ts';
import { listPage, PAGE } from './list-page.ts';

/** A page is read on as long as it may save this many calls about single videos. */
const WORTH = 2;
/** Parts of a long list that are read side by side, and the fewest videos that make it worth another part. */
const PARTS = 4;
const PART_SIZE = 5 * PAGE;

/**
 * Reads the list, newest first, until all of these videos were seen, or the few that are left are cheaper to ask about
 * one by one: they may lie anywhere between others, or not at all in the list. Ids that are given newest first make it
 * quicker: some of them serve as the places where parts of the list begin. Throws `ProviderError`.
 */
export async function pollList(
  connection: ServerConnection,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, VideoAnswer>> {
  const count = Math.min(PARTS, Math.ceil(ids.length / PART_SIZE));
  const marks = Array.from({ length: count - 1 }, (_, n) => ids[Math.floor(((n + 1) * ids.length) / count)]);
  try {
    return await walk(connection, ids, [undefined, ...marks], signal);
  } catch (error) {
    const isRefused = error instanceof ProviderError && (error.kind === 'rejected' || error.kind === 'gone');
    // One of the marks may have been deleted over there.
    if (isRefused && marks.length > 0) return walk(connection, ids, [undefined], signal);
    throw error;
  }
}

/** Reads one part after each of `starts`, up to where another part begins. */
async function walk(
  connection: ServerConnection,
  ids: readonly string[],
  starts: readonly (string | undefined)[],
  signal: AbortSignal,
): Promise<Map<string, VideoAnswer>> {
  const missing = new Set(ids);
  const seen = new Map<string, VideoAnswer>();
  const enough = ids.length / PAGE + starts.length;
  let pages = 0;

  async function read(start: string | undefined): Promise<void> {
    let after = start;
    while (missing.size > 0 && (pages <= enough || pages < missing.size / WORTH)) {
      pages += 1;
      const { videos, next } = await listPage(connection, after, signal);
      let isOver = next === undefined;
      for (const video of videos) {
        if (video.id === undefined) continue;
        if (missing.delete(video.id)) seen.set(video.id, video);
        if (starts.includes(video.id)) isOver = true;
      }
      if (isOver) return;
      after = next;
    }
  }

  await Promise.all(starts.map(read));
  return seen;
}
