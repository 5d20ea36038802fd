import { type Backoff, backoffMs } from '../core/backoff.ts';
import type { DuePoll } from './poll.repository.ts';
import type { RunTimes } from './run-times.repository.ts';

/** Between checks when the upstream does not say: quick at first, calmer with time. */
const SCHEDULE: Backoff = { baseMs: 1000, factor: 1.3, maxMs: 10_000 };
/** Between checks while the upstream cannot be asked. */
const UNREACHABLE: Backoff = { baseMs: 2000, factor: 1.5, maxMs: 60_000 };
/** Between checks of overdue jobs, and never longer. */
const LONGEST_MS = 60_000;
/**
 * Between walks through a list, at full multiples of it: whatever was begun when, all jobs of a connection are looked for
 * together, and one walk tells of all of them.
 */
const WALK_MS = 1000;
/** So many videos are worth a walk each second; with more of them walks grow rarer. */
const WALK_EACH_SECOND = 5000;
/** After a walk that met with trouble: one look is for all, so patience with it saves little. */
const WALK_TROUBLED_MS = 5000;
/** From so many on, what cannot be done for a while yet is not looked for. */
const CROWD = 500;
/** Looks at single videos that a connection is worth in a second; with more of them each grows rarer. */
const SINGLES_PER_SECOND = 200;
/** Around the time when runs of this kind usually end. */
const CLOSE_MS = 1000;

export interface PollNews {
  /** What the upstream asks for, in ms. */
  askedMs?: number | undefined;
  /** It could not be asked. */
  failed?: boolean;
  /** How many the connection has in work, as far as is known. */
  running?: number;
}

/** How long to wait before the next check of a job by itself, in ms from `now`, when it was asked about. */
export function nextPollMs(poll: DuePoll, news: PollNews, times: RunTimes | undefined, now: number): number {
  const leastMs = Math.min(LONGEST_MS, ((news.running ?? 0) * 1000) / SINGLES_PER_SECOND - 1000);
  return Math.max(leastMs, aloneMs(poll, news, times, now));
}

function aloneMs(poll: DuePoll, news: PollNews, times: RunTimes | undefined, now: number): number {
  if (news.failed) {
    return Math.min(news.askedMs ?? backoffMs(UNREACHABLE, Math.min(poll.count, 10)), LONGEST_MS);
  }
  if (now >= poll.deadlineAt.getTime()) return LONGEST_MS;
  if (news.askedMs !== undefined) return Math.min(news.askedMs, LONGEST_MS);
  const usual = backoffMs(SCHEDULE, Math.min(poll.count, 20));
  if (!times) return usual;
  const age = now - poll.startedAt.getTime();
  // Not worth asking before the earliest runs were done; worth asking often around the time most are.
  if (age < times.early) return Math.max(CLOSE_MS, Math.min(times.early - age, LONGEST_MS));
  return age < times.usual * 1.5 ? CLOSE_MS : usual;
}

/**
 * How long a job that the list told of need not be looked for, in ms from `now`; undefined: it is looked for with each
 * walk, and nothing has to be written for that.
 */
export function nextListedMs(
  poll: DuePoll,
  times: RunTimes | undefined,
  { now, running }: { now: number; running: number },
): number | undefined {
  if (now >= poll.deadlineAt.getTime()) return LONGEST_MS;
  if (!times || running < CROWD) return undefined;
  const early = times.early - (now - poll.startedAt.getTime());
  // For less than some walks it is not worth the writing.
  return early > 10 * WALK_MS ? Math.min(early, LONGEST_MS) : undefined;
}

/** How long after the end of a walk the next one is due, in ms; at most a minute. `begunAt` and `now` in ms. */
export function walkPauseMs(walk: {
  running: number;
  begunAt: number;
  now: number;
  error?: { kind: string; retryAfterMs: number | undefined } | undefined;
}): number {
  const { running, begunAt, now, error } = walk;
  if (error && error.kind !== 'gone' && error.kind !== 'rejected') {
    return Math.min(error.retryAfterMs ?? WALK_TROUBLED_MS, LONGEST_MS);
  }
  const everyMs = Math.min(LONGEST_MS, WALK_MS * Math.max(1, Math.round(running / WALK_EACH_SECOND)));
  const at = Math.round((begunAt + everyMs) / WALK_MS) * WALK_MS;
  // A walk that took longer than that is followed by the next one as soon as the upstream has drawn breath.
  return Math.max(at - now, Math.min(WALK_MS, (now - begunAt) / 10));
}

/** When it will be done: straight on from where it stands, or as former runs did; null when nobody can say. */
export function estimateEnd(
  poll: DuePoll,
  progress: number,
  times: RunTimes | undefined,
  now: number,
): Date | null {
  const startedAt = poll.startedAt.getTime();
  if (progress >= 10) return new Date(startedAt + ((now - startedAt) * 100) / progress);
  return times ? new Date(Math.max(now, startedAt + times.usual)) : null;
}
