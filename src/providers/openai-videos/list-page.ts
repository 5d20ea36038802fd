import { asObject } from '../../core/json.ts';
import { ProviderError } from '../provider.ts';
import { readAnswer, type VideoAnswer } from './answer.ts';
import type { ServerConnection } from './connection.ts';

/** One page of a list, newest first. */
export interface ListPage {
  videos: VideoAnswer[];
  /** The id to go on after; undefined when no further page can be had. */
  next: string | undefined;
  /** The list ends here for certain: the server said so, or gave nothing behind a video that it still knows. */
  ended: boolean;
  /** Ms since the epoch by the server's clock (its `Date` header). */
  servedAt: number | undefined;
}

/** The most that servers give at once. */
export const PAGE = 100;

/**
 * Reads one page. Some servers say nothing about further pages, or give fewer at once than was asked for: there only an
 * empty page is an end. Others answer a cursor that they do not know with an empty page, so that the end is believed only
 * when they still know the cursor's video. Throws `ProviderError`: `gone` with code `cursor_gone` when they do not.
 */
export async function listPage(
  connection: ServerConnection,
  after: string | undefined,
  signal: AbortSignal,
): Promise<ListPage> {
  const query = `?limit=${PAGE}&order=desc${after === undefined ? '' : `&after=${encodeURIComponent(after)}`}`;
  const answer = await connection.call('GET', `/videos${query}`, signal);
  if (answer.status !== 200) throw connection.failure(answer, 'read');
  const body = asObject(answer.json);
  // An empty list of a server in Go may be null.
  const empty = body?.data === null || (body?.object === 'list' && body.data === undefined) ? [] : undefined;
  const data = Array.isArray(answer.json) ? answer.json : (empty ?? body?.data);
  // A gateway's page, or an object that is no list, is not a list without videos.
  if (!Array.isArray(data)) {
    throw new ProviderError(
      'ambiguous',
      'unreadable_answer',
      'The upstream answered something that is no list.',
    );
  }
  const videos = data.map(readAnswer).filter((video) => video !== undefined);
  const date = Date.parse(answer.headers.date?.toString() ?? '');
  const servedAt = Number.isNaN(date) ? undefined : date;
  if (videos.length === 0) {
    if (after !== undefined) await proveCursor(connection, after, signal);
    return { videos, next: undefined, ended: true, servedAt };
  }
  if (body?.has_more === false) return { videos, next: undefined, ended: true, servedAt };
  const last = typeof body?.last_id === 'string' ? body.last_id : videos.at(-1)?.id;
  // One that gives the cursor's video again takes no cursors: nothing more can be had, and that proves no end.
  const turns = last === after || (after !== undefined && videos.some(({ id }) => id === after));
  return { videos, next: turns ? undefined : last, ended: false, servedAt };
}

async function proveCursor(connection: ServerConnection, cursor: string, signal: AbortSignal): Promise<void> {
  await connection.retrieve({ id: cursor }, signal).catch((error: unknown) => {
    if (!(error instanceof ProviderError) || error.kind !== 'gone') throw error;
    const message = 'The upstream no longer knows the video where the next page begins.';
    throw new ProviderError('gone', 'cursor_gone', message, { cause: error });
  });
}
