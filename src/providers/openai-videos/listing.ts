import type { JsonObject } from '../../core/json.ts';
import { type ListedVideo, type ListPage, ProviderError } from '../provider.ts';
import { publicText } from '../redact.ts';
import type { VideoAnswer } from './answer.ts';
import type { ServerConnection } from './connection.ts';
import { fitOf } from './fit.ts';
import { listPage } from './list-page.ts';

/**
 * Walks a server's list from its newest video to its end, page by page. Throws `ProviderError`: `gone` or `rejected` when
 * there is no list, `ambiguous` when it turns in a circle or breaks off.
 */
export async function* listVideos(
  connection: ServerConnection,
  signal: AbortSignal,
): AsyncGenerator<ListPage, void> {
  const seen = new Set<string>();
  let after: string | undefined;
  do {
    const { videos, next, servedAt } = await listPage(connection, after, signal);
    const fresh = videos.filter(({ id }) => id === undefined || !seen.has(id));
    if (videos.length > 0 && fresh.length === 0) {
      throw new ProviderError('ambiguous', 'list_in_a_circle', 'The list of the upstream turns in a circle.');
    }
    for (const { id } of fresh) if (id !== undefined) seen.add(id);
    yield { videos: fresh.map((video) => listed(video, connection.secrets)), servedAt };
    after = next;
  } while (after !== undefined);
}

function listed(video: VideoAnswer, secrets: readonly string[]): ListedVideo {
  return {
    operation: video.id === undefined ? undefined : { id: video.id },
    createdAt: video.createdAt,
    marker: video.marker,
    shown: shownOf(video, secrets),
    fits: (plan) => fitOf(video, plan),
  };
}

/** For an operator; the prompt stays out. */
function shownOf(
  { id, status, model, size, seconds, createdAt }: VideoAnswer,
  secrets: readonly string[],
): JsonObject {
  const text = (value: string | undefined) => (value === undefined ? null : publicText(value, secrets));
  return {
    id: text(id),
    status: text(status),
    model: text(model),
    size: text(size),
    seconds: seconds ?? null,
    createdAt: createdAt === undefined ? null : new Date(createdAt).toISOString(),
  };
}
