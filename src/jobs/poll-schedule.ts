import { type Backoff, backoffMs } from '../core/backoff.ts';
import type { DuePoll, RunTimes } from './poll.repository.ts';

/** Between checks when the upstream does not say: quick at first, calmer with time. */
const SCHEDULE: Backoff = { baseMs: 1000, factor: 1.3, maxMs: 10_000 };
/** Between checks while the upstream cannot be asked. */
const UNREACHABLE: Backoff = { baseMs: 2000, factor: 1.5, maxMs: 60_000 };
/** Between checks of overdue jobs, and never longer. */
const LONGEST_MS = 60_000;
/** Between looks into a list: one call tells of a hundred. */
const LIST_MS = 1000;
/** Around the time when runs of this kind usually end. */
const CLOSE_MS = 1000;

export interface PollNews {
  /** What the upstream asks for, in ms. */
  askedMs?: number | undefined;
  /** It could not be asked. */
  failed?: boolean;
  /** It was found in a list, with many others. */
  listed?: boolean;
}

/** How long to wait before the next check of a job, in ms. */
export function nextPollMs(poll: DuePoll, news: PollNews, times: RunTimes | undefined, now: number): number {
  if (news.failed)
    return Math.min(news.askedMs ?? backoffMs(UNREACHABLE, Math.min(poll.count, 10)), LONGEST_MS);
  if (now >= poll.deadlineAt.getTime()) return LONGEST_MS;
  if (news.listed) return LIST_MS;
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
