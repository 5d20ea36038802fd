import { type Backoff, backoffMs } from '../core/backoff.ts';
import type { DuePoll, RunTimes } from './poll.repository.ts';

/** Between checks when the upstream does not say: quick at first, calmer with time. */
const SCHEDULE: Backoff = { baseMs: 1000, factor: 1.3, maxMs: 10_000 };
/** Between checks while the upstream cannot be asked. */
const UNREACHABLE: Backoff = { baseMs: 2000, factor: 1.5, maxMs: 60_000 };
/** Between checks of overdue jobs, and never longer. */
const LONGEST_MS = 60_000;
/**
 * Between looks into a list, at full multiples of it: whatever was begun when, all jobs of a connection soon fall due
 * together, and one walk through the list tells of all of them.
 */
const LIST_MS = 1000;
/** Between looks into a list that cannot be read: one look is for all, so patience with it saves little. */
const LIST_UNREACHABLE_MS = 5000;
/** Around the time when runs of this kind usually end. */
const CLOSE_MS = 1000;

export interface PollNews {
  /** What the upstream asks for, in ms. */
  askedMs?: number | undefined;
  /** It could not be asked. */
  failed?: boolean;
  /** It was looked for in a list, with many others. */
  listed?: boolean;
}

/** How long to wait before the next check of a job, in ms from `now`: when it was asked about, or its list was. */
export function nextPollMs(poll: DuePoll, news: PollNews, times: RunTimes | undefined, now: number): number {
  if (news.failed) {
    const pause = news.listed ? LIST_UNREACHABLE_MS : backoffMs(UNREACHABLE, Math.min(poll.count, 10));
    return Math.min(news.askedMs ?? pause, LONGEST_MS);
  }
  if (now >= poll.deadlineAt.getTime()) return LONGEST_MS;
  if (news.listed) return Math.round((now + LIST_MS) / LIST_MS) * LIST_MS - now;
  if (news.askedMs !== undefined) return Math.min(news.askedMs, LONGEST_MS);
  const usual = backoffMs(SCHEDULE, Math.min(poll.count, 20));
  if (!times) return usual;
  const age = now - poll.startedAt.getTime();
  // Not worth asking before the earliest runs were done; worth asking often around the time most are.
  if (age < times.early) return Math.max(CLOSE_MS, Math.min(times.early - age, LONGEST_MS));
  return age < times.usual * 1.5 ? CLOSE_MS : usual;
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
