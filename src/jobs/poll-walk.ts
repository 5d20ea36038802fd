import pLimit from 'p-limit';
import { newId } from '../core/ids.ts';
import type { Provider, ProviderError } from '../providers/provider.ts';
import type { EngineParts } from './engine.ts';
import { checkEach, type Found, toProviderError } from './poll-check.ts';
import { walkPauseMs } from './poll-schedule.ts';
import { settle, slices } from './poll-settle.ts';
import { type DuePoll, findDuePolls } from './poll.repository.ts';
import { beginWalk, breakOffWalk, endWalk, keepWalk } from './walk.repository.ts';

/** Pages written down at once, while the next ones are being read. */
const SETTLE_CONCURRENCY = 4;
/** Asked about one by one after a walk, at the most: few where the list works, more where it does not. */
const SINGLES = { listed: 200, unlisted: 1000 };
/** Of these so many at a time, each time making sure of the walk. */
const SINGLES_AT_ONCE = 64;

/** One round of looking after a connection that lists, while this process is its only walker. */
interface Round {
  parts: EngineParts;
  provider: Provider;
  connection: string;
  walker: string;
  due: readonly DuePoll[];
  signal: AbortSignal;
}

/**
 * Walks through the list of a connection, if no other process does and the time has come, and acts on each page as it
 * comes; what the list did not tell of is asked about one by one, the longest waiting first, a bounded number each time.
 * What was not reached keeps its place. Returns how many were due.
 */
export async function walkDue(
  parts: EngineParts,
  provider: Provider,
  connection: string,
  signal: AbortSignal,
): Promise<number> {
  const begunAt = parts.clock.now();
  const walker = newId('run');
  const walk = await beginWalk(parts.db, connection, walker, new Date(begunAt));
  if (!walk) return 0;
  const due = await findDuePolls(parts.db, connection, new Date(begunAt));
  const round = { parts, provider, connection, walker, due, signal };
  const { left, complete, error, isLost } = await walkThrough(round, walk.cursor);
  // Another process has taken over and knows where it stands.
  if (isLost) return due.length;
  if (signal.aborted) {
    await breakOffWalk(parts.db, connection, walker);
    return 0;
  }
  // What lies before the place where a walk was taken up is the next walk's, which begins at the top.
  if (walk.cursor === undefined || error) await lookAtRest(round, left, { complete, error });
  const now = parts.clock.now();
  const pause = walkPauseMs({ running: due.length, begunAt, now, error });
  await endWalk(parts.db, connection, walker, new Date(now + pause));
  return due.length;
}

interface Walked {
  /** What no page told of. */
  left: DuePoll[];
  complete: boolean;
  error: ProviderError | undefined;
  isLost: boolean;
}

async function walkThrough(round: Round, cursor: string | undefined): Promise<Walked> {
  const { parts, provider, connection, walker, due, signal } = round;
  const told = new Set<number>();
  const limit = pLimit(SETTLE_CONCURRENCY);
  const settling: Promise<void>[] = [];
  let complete = false;
  let error: ProviderError | undefined;
  let isLost = false;
  try {
    const operations = due.map((poll) => poll.operation);
    for await (const page of provider.pollMany?.(operations, { signal, cursor }) ?? []) {
      complete = page.complete;
      const found = page.results.flatMap(({ index, result }): Found[] => {
        const poll = due[index];
        told.add(index);
        return poll ? [{ poll, listed: true, result }] : [];
      });
      const when = { askedAt: parts.clock.now(), running: due.length };
      if (found.length > 0) settling.push(limit(() => settle(parts, found, when)));
      isLost = !(await keepWalk(parts.db, connection, walker, page.cursor));
      if (isLost) break;
    }
  } catch (thrown) {
    error = toProviderError(parts, thrown);
  }
  await Promise.all(settling);
  return { left: due.filter((_, index) => !told.has(index)), complete, error, isLost };
}

/** Asks about what the list did not tell of, unless the upstream is not to be asked at all for now. */
async function lookAtRest(
  { parts, provider, connection, walker, signal }: Round,
  left: readonly DuePoll[],
  { complete, error }: Pick<Walked, 'complete' | 'error'>,
): Promise<void> {
  if (error && ['throttled', 'unauthorized', 'unavailable'].includes(error.kind)) return;
  const most = error ? SINGLES.unlisted : SINGLES.listed;
  const next = left.toSorted((a, b) => a.dueAt.getTime() - b.dueAt.getTime()).slice(0, most);
  for (const some of slices(next, SINGLES_AT_ONCE)) {
    const askedAt = parts.clock.now();
    const found = await checkEach(parts, provider, some, { signal, lacked: complete });
    if (signal.aborted) return;
    await settle(parts, found, { askedAt, running: left.length });
    // It does not answer at all: the rest would only wait for it too.
    if (found.every((entry) => 'error' in entry && !entry.error.named)) return;
    if (!(await keepWalk(parts.db, connection, walker, undefined))) return;
  }
}
