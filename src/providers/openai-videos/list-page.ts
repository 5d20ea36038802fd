import { asObject } from '../../core/json.ts';
import { readAnswer, type VideoAnswer } from './answer.ts';
import type { ServerConnection } from './connection.ts';

/** One page of a list, newest first. */
export interface AnswerPage {
  videos: VideoAnswer[];
  /** The id to go on after; undefined at the end. */
  next: string | undefined;
  /** Ms since the epoch by the server's clock (its `Date` header). */
  servedAt: number | undefined;
}

/** The most that servers give at once. */
export const PAGE = 100;

/** Reads one page. Throws `ProviderError`; tolerates lists that say nothing about further pages. */
export async function listPage(
  connection: ServerConnection,
  after: string | undefined,
  signal: AbortSignal,
): Promise<AnswerPage> {
  const query = `?limit=${PAGE}&order=desc${after === undefined ? '' : `&after=${encodeURIComponent(after)}`}`;
  const answer = await connection.call('GET', `/videos${query}`, signal);
  if (answer.status !== 200) throw connection.failure(answer, 'read');
  const body = asObject(answer.json);
  const data = Array.isArray(answer.json) ? answer.json : (body?.data ?? []);
  const videos = (Array.isArray(data) ? data : []).map(readAnswer).filter((video) => video !== undefined);
  const last = typeof body?.last_id === 'string' ? body.last_id : videos.at(-1)?.id;
  const more = typeof body?.has_more === 'boolean' ? body.has_more : videos.length === PAGE;
  const servedAt = Date.parse(answer.headers.date?.toString() ?? '');
  return {
    videos,
    next: more && videos.length > 0 && last !== after ? last : undefined,
    servedAt: Number.isNaN(servedAt) ? undefined : servedAt,
  };
}
