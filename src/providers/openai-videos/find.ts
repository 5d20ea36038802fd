import { sizeText } from '../model.ts';
import { type FindQuery, type FindResult, type Plan, ProviderError } from '../provider.ts';
import { operationId, type VideoAnswer } from './answer.ts';
import type { ServerConnection } from './connection.ts';
import { listPage } from './list-page.ts';

const MAX_PAGES = 10;
/** How far the upstream's clock may be from ours, and how long it may take to begin, in ms. */
const EARLIER = 120_000;
const LATER = 900_000;

/**
 * Looks for a lost submission among the newest videos. `absent` is said only when the list is known to be complete,
 * reached back beyond the call (or ended), held nothing that might be it, and the call itself is over by now.
 */
export async function findVideo(
  connection: ServerConnection,
  query: FindQuery,
  signal: AbortSignal,
): Promise<FindResult> {
  const complete = connection.promises?.listComplete ?? connection.dialect.list === 'complete';
  if (connection.dialect.list === 'none' && !complete) return { outcome: 'unknown' };
  let doubtful = false;
  let reached = false;
  let after: string | undefined;
  for (let page = 0; page < MAX_PAGES && !reached; page += 1) {
    const read = await listPage(connection, after, signal).catch(noList);
    if (!read) return { outcome: 'unknown' };
    const { videos, next, ended } = read;
    for (const video of videos) {
      const fit = fits(video, query);
      if (fit === 'no' || video.id === undefined) continue;
      const operation = { id: video.id };
      if (await query.isClaimed(operation)) continue;
      if (fit === 'yes') return { outcome: 'found', operation };
      doubtful = true;
    }
    const oldest = videos.at(-1)?.createdAt;
    reached = ended || (oldest !== undefined && oldest < query.sentAt - EARLIER);
    if (next === undefined) break;
    after = next;
  }
  const over = connection.clock.now() >= query.sentAt + connection.timeoutMs;
  return complete && reached && over && !doubtful ? { outcome: 'absent' } : { outcome: 'unknown' };
}

/** A server that has no list says so with a 4xx; any other trouble may pass. */
function noList(error: unknown): undefined {
  if (error instanceof ProviderError && (error.kind === 'gone' || error.kind === 'rejected'))
    return undefined;
  throw error;
}

/** Whether a listed video is the planned one. `maybe`: nothing speaks against it, but too little for it. */
function fits(video: VideoAnswer, { plan, sentAt }: FindQuery): 'yes' | 'no' | 'maybe' {
  const { createdAt, prompt, model, size, seconds, remixedFrom } = video;
  if (createdAt !== undefined && (createdAt < sentAt - EARLIER || createdAt > sentAt + LATER)) return 'no';
  if (prompt !== undefined && prompt !== plan.request.prompt) return 'no';
  if (size !== undefined && size !== sizeText(plan.size)) return 'no';
  if (seconds !== undefined && !lengthsOf(plan).includes(Math.round(seconds))) return 'no';
  if (model !== undefined && !sameModel(model, plan.upstreamModel)) return 'no';
  const source = plan.source && operationId(plan.source.operation);
  if (remixedFrom !== undefined && remixedFrom !== source) return 'no';
  // One that does not say what it was made from may be another job's, created anew with the same prompt.
  const sure = createdAt !== undefined && prompt !== undefined && remixedFrom === source;
  return sure ? 'yes' : 'maybe';
}

/** An extension is as long as the whole; some servers may say what was added. */
function lengthsOf({ seconds, source }: Plan): number[] {
  return source?.kind === 'extend' ? [seconds, seconds - source.seconds] : [seconds];
}

/** Gateways add or drop a provider in front of a model's name, and versions behind it. */
function sameModel(a: string, b: string): boolean {
  return a === b || a.endsWith(`/${b}`) || b.endsWith(`/${a}`) || a.startsWith(`${b}-20`);
}
