import type { Redis } from '../core/redis.ts';
import type { Count, Verdict } from './rate-limit-count.ts';

/** One check, atomic: counts in all buckets or in none. ARGV: cost, window in ms, and the limit of each bucket. */
const SCRIPT = `
local answer = { 1 }
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[i + 2]) then answer[1] = 0 end
end
for _, key in ipairs(KEYS) do
  local used
  if answer[1] == 1 and tonumber(ARGV[1]) > 0 then
    used = redis.call('INCRBY', key, ARGV[1])
    if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, ARGV[2]) end
  else
    used = tonumber(redis.call('GET', key) or '0')
  end
  local left = redis.call('PTTL', key)
  answer[#answer + 1] = used
  answer[#answer + 1] = left < 0 and tonumber(ARGV[2]) or left
end
return answer`;

/** Counts in Redis, for all processes together; by `alone`, the process's own count, while Redis is away. */
export function createSharedCount(redis: Redis, alone: Count): Count {
  return (buckets, windowMs, cost = 1) => {
    if (redis.isAway()) return alone(buckets, windowMs, cost);
    const names = buckets.map(({ name }) => `limit:${name}`);
    const args = [cost, windowMs, ...buckets.map(({ max }) => max)];
    return redis
      .run(SCRIPT, names, args)
      .then((answer) => (answer ? read(answer) : alone(buckets, windowMs, cost)));

    function read([allowed, ...numbers]: number[]): Verdict {
      const levels = buckets.map(({ max }, index) => ({
        max,
        used: numbers[index * 2] ?? 0,
        resetMs: numbers[index * 2 + 1] ?? windowMs,
      }));
      return { isAllowed: allowed === 1, levels };
    }
  };
}
