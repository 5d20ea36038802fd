import type { JsonObject } from '../../core/json.ts';
import type { ListedVideo, ListPage } from '../listed-video.ts';
import { ProviderError } from '../provider.ts';
import { publicText } from '../redact.ts';
import type { VideoAnswer } from './answer.ts';
import type { ServerConnection } from './connection.ts';
import { fitOf } from './fit.ts';
import { listPage } from './list-page.ts';

/**
 * Walks a server's list from its newest video to its end, page by page. Throws `ProviderError`: `gone` or `rejected` when
 * there is no list, `ambiguous` when it cannot be walked on without a gap: it turns in a circle, takes no cursor, or no
 * longer knows the video where the next page begins.
 */
export async function* listVideos(
  connection: ServerConnection,
  signal: AbortSignal,
): AsyncGenerator<ListPage, void> {
  const seen = new Set<string>();
  let after: string | undefined;
  for (;;) {
    const { videos, next, ended, servedAt } = await listPage(connection, after, signal).catch(withoutGap);
    const fresh = videos.filter(({ id }) => id === undefined || !seen.has(id));
    for (const { id } of fresh) if (id !== undefined) seen.add(id);
    yield { videos: fresh.map((video) => listed(video, connection.secrets)), servedAt };
    if (ended) return;
    if (next === undefined || fresh.length === 0) throw gap();
    after = next;
  }
}

function withoutGap(error: unknown): never {
  if (error instanceof ProviderError && error.code === 'cursor_gone') throw gap(error);
  throw error;
}

function gap(cause?: unknown): ProviderError {
  const message = 'The list of the upstream cannot be walked to its end.';
  return new ProviderError('ambiguous', 'list_gap', message, { cause });
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
