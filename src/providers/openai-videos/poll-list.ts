import { ProviderError, type WalkContext } from '../provider.ts';
import type { VideoAnswer } from './answer.ts';
import type { ServerConnection } from './connection.ts';
import { type ListPage, listPage, PAGE } from './list-page.ts';

/** Longest wait for one page, in ms: a page that hangs costs that, and none of the others. */
const PAGE_TIMEOUT_MS = 8000;
/** A page is read on as long as it may save this many calls about single videos. */
const WORTH = 2;
/** Parts of a long list that are read side by side, and the fewest videos that make it worth another part. */
const PARTS = 4;
const PART_SIZE = 5 * PAGE;
/** Where the video that a page ended with is gone, the ones before it may still be known: so many are tried. */
const STEPS_BACK = 3;

/** What one page tells of the videos that were asked about. */
interface SeenPage {
  /** `index`: which of the ids. */
  videos: { index: number; video: VideoAnswer }[];
  cursor: string | undefined;
  complete: boolean;
}

/** One stretch of the list: from behind a video to where the next part begins, or to the end. */
interface Part {
  start: string | undefined;
  /** The last video read. */
  at: string | undefined;
  isOver: boolean;
}

/**
 * Reads the list, newest first, page by page, until all of these videos were seen, or the few that are left are cheaper to
 * ask about one by one: they may lie anywhere between others, or not at all in the list. Ids that are given newest first
 * make it quicker: some of them serve as the places where parts of the list begin. Trouble with one part leaves the others
 * alone; in the end it is thrown (`ProviderError`).
 */
export async function* pollList(
  connection: ServerConnection,
  ids: readonly string[],
  { signal, cursor }: WalkContext,
): AsyncGenerator<SeenPage> {
  const from = cursor === undefined ? -1 : ids.indexOf(cursor);
  // Where the place of the cursor among them is not known, only one part can be told from the rest.
  const ahead = cursor !== undefined && from < 0 ? [] : ids.slice(from + 1);
  const count = Math.max(1, Math.min(PARTS, Math.ceil(ahead.length / PART_SIZE)));
  const marks = Array.from(
    { length: count - 1 },
    (_, n) => ahead[Math.floor(((n + 1) * ahead.length) / count)],
  );
  const parts = [cursor, ...marks].map((start): Part => ({ start, at: undefined, isOver: false }));
  const starts = new Set(marks);
  const missing = new Map(ids.map((id, index) => [id, index]));
  const enough = ids.length / PAGE + parts.length;
  const stop = new AbortController();
  const stopping = AbortSignal.any([signal, stop.signal]);
  let pages = 0;
  let failure: unknown;
  let lastEnded = false;
  let running = parts.length;
  let wake = () => {};
  const pending: SeenPage[] = [];

  const place = () => {
    const open = parts.find((part) => !part.isOver);
    return open && (open.at ?? open.start);
  };

  async function read(part: Part): Promise<void> {
    const seen = new Set<string>();
    let behind: (string | undefined)[] = [part.start];
    while (missing.size > 0 && (pages <= enough || pages < missing.size / WORTH)) {
      pages += 1;
      const page = await pageBehind(connection, behind, stopping);
      if (!page) return;
      const read = page.videos.flatMap(({ id }) => (id === undefined ? [] : [id]));
      const isNew = read.some((id) => !seen.has(id));
      for (const id of read) seen.add(id);
      part.at = read.at(-1) ?? part.at;
      const told = page.videos.flatMap((video) => {
        const index = video.id === undefined ? undefined : missing.get(video.id);
        if (index === undefined || video.id === undefined) return [];
        missing.delete(video.id);
        return [{ index, video }];
      });
      const meetsNext = read.some((id) => starts.has(id));
      const isOver = page.next === undefined || meetsNext || !isNew;
      if (isOver) part.isOver = meetsNext || page.ended;
      lastEnded ||= page.ended;
      pending.push({ videos: told, cursor: place(), complete: false });
      wake();
      if (isOver) return;
      behind = [page.next, ...read.filter((id) => id !== page.next).toReversed()].slice(0, STEPS_BACK);
    }
  }

  for (const part of parts) {
    void read(part)
      .catch((error: unknown) => {
        // The part before it goes on past a mark that is no longer there.
        if (isUnknown(error) && starts.has(part.start) && part.at === undefined) part.isOver = true;
        else failure ??= error;
        // It asks for patience: the other parts would only be refused too.
        if (error instanceof ProviderError && error.kind === 'throttled') stop.abort();
      })
      .finally(() => {
        running -= 1;
        wake();
      });
  }
  try {
    for (;;) {
      const page = pending.shift();
      if (page) yield page;
      else if (running === 0) break;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    if (failure !== undefined) throw failure;
    const isWhole =
      cursor === undefined && (missing.size === 0 || (lastEnded && parts.every((part) => part.isOver)));
    yield { videos: [], cursor: undefined, complete: isWhole };
  } finally {
    stop.abort();
  }
}

/** The page behind the first of these videos that the server still knows; undefined when the part has to begin elsewhere. */
async function pageBehind(
  connection: ServerConnection,
  behind: readonly (string | undefined)[],
  signal: AbortSignal,
): Promise<ListPage | undefined> {
  for (const [tried, id] of behind.entries()) {
    try {
      return await listPage(connection, id, AbortSignal.any([signal, AbortSignal.timeout(PAGE_TIMEOUT_MS)]));
    } catch (error) {
      if (!isUnknown(error) || tried === behind.length - 1) throw error;
    }
  }
  return undefined;
}

function isUnknown(error: unknown): boolean {
  return error instanceof ProviderError && (error.kind === 'rejected' || error.kind === 'gone');
}
