import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../core/errors.ts';
import type { Bucket, Count, Level, Verdict } from './rate-limit-count.ts';

export interface RateLimitOptions {
  count: Count;
  /** Tells this limit's counts from another's. */
  name: string;
  /** Requests of one credential per window. */
  max: number;
  /** Requests of all credentials of one person together. */
  userMax: number;
  windowMs: number;
  /** What is being limited, for the message: `requests`, `videos`. */
  what: string;
}

/** Whom requests are counted for: what was shown, and the person it belongs to. */
export interface Counted {
  credentialId: string;
  userId: string;
}

/**
 * Counts requests in fixed windows. Sets the rate headers on every answer, of the limit that is nearer; throws or rejects
 * with `rate_limit_exceeded` and `Retry-After` beyond it. A promise only where processes count together.
 */
export type RateLimit = (
  caller: Counted,
  request: FastifyRequest,
  reply: FastifyReply,
) => void | Promise<void>;

export function createRateLimit(options: RateLimitOptions): RateLimit {
  const { count, name, max, userMax, windowMs, what } = options;
  // A caller who is known is the same object for a while: long names are put together and hashed once.
  const known = new WeakMap<Counted, readonly Bucket[]>();

  function bucketsOf(caller: Counted): readonly Bucket[] {
    const found = known.get(caller);
    if (found) return found;
    const { credentialId, userId } = caller;
    // The braces keep both on one node of a Redis cluster.
    const buckets = [
      { name: `${name}:{${userId}}:${credentialId}`, max },
      { name: `${name}:{${userId}}`, max: userMax },
    ];
    known.set(caller, buckets);
    return buckets;
  }

  function judge({ isAllowed, levels }: Verdict, reply: FastifyReply): void {
    const level = nearest(levels);
    const remaining = isAllowed ? Math.max(0, level.max - level.used) : 0;
    const seconds = Math.max(1, Math.ceil(level.resetMs / 1000));
    void reply.headers({
      'ratelimit-limit': level.max,
      'ratelimit-remaining': remaining,
      'ratelimit-reset': seconds,
      'x-ratelimit-limit-requests': level.max,
      'x-ratelimit-remaining-requests': remaining,
      'x-ratelimit-reset-requests': durationText(level.resetMs),
    });
    if (isAllowed) return;
    throw new AppError('rate_limit_exceeded', {
      message: `More than ${level.max} ${what} in ${durationText(windowMs)}: try again in ${seconds} s.`,
      retryAfterSeconds: seconds,
    });
  }

  return (caller, _request, reply) => {
    const verdict = count(bucketsOf(caller), windowMs);
    return verdict instanceof Promise ? verdict.then((found) => judge(found, reply)) : judge(verdict, reply);
  };
}

/** The one with the least left; of several, the one that takes longest to come back. */
function nearest(levels: readonly Level[]): Level {
  return levels.reduce((near, level) => {
    const [left, least] = [level.max - level.used, near.max - near.used];
    return left < least || (left === least && level.resetMs > near.resetMs) ? level : near;
  });
}

/** `12ms`, `1s`, `1m30s`: how OpenAI writes durations in its headers. */
function durationText(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
}
