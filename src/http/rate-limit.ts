import type { FastifyReply, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';

export interface RateLimitOptions {
  clock: Clock;
  /** Requests per window. */
  max: number;
  windowMs: number;
  /** What is being limited, for the message: `requests`, `videos`. */
  what: string;
}

/**
 * Counts requests in fixed windows, in this process's memory. Sets the rate headers that OpenAI's clients know on every
 * answer; throws `rate_limit_exceeded` with `Retry-After` beyond the limit.
 */
export type RateLimit = (key: string, request: FastifyRequest, reply: FastifyReply) => void;

interface Window {
  endsAt: number;
  used: number;
}

const MAX_CALLERS = 100_000;

export function createRateLimit({ clock, max, windowMs, what }: RateLimitOptions): RateLimit {
  const windows = new LRUCache<string, Window>({ max: MAX_CALLERS });

  return (key, _request, reply) => {
    const now = clock.now();
    let window = windows.get(key);
    if (!window || window.endsAt <= now) {
      window = { endsAt: now + windowMs, used: 0 };
      windows.set(key, window);
    }
    window.used += 1;
    const resetMs = window.endsAt - now;
    void reply.headers({
      'x-ratelimit-limit-requests': max,
      'x-ratelimit-remaining-requests': Math.max(0, max - window.used),
      'x-ratelimit-reset-requests': durationText(resetMs),
    });
    if (window.used > max) {
      const seconds = Math.ceil(resetMs / 1000);
      throw new AppError('rate_limit_exceeded', {
        message: `More than ${max} ${what} in ${durationText(windowMs)}: try again in ${seconds} s.`,
        retryAfterSeconds: seconds,
      });
    }
  };
}

/** `12ms`, `1s`, `1m30s`: how OpenAI writes durations in its headers. */
function durationText(ms: number): string {
  if (ms < 1000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
}
