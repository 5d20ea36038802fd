import { AppError } from '../core/errors.ts';
import type { Count, Verdict } from './rate-limit-count.ts';

/** Slows down who tries credentials: by network address, since nobody is known yet. */
export interface AttemptLimit {
  /** Throws `rate_limit_exceeded` after too many failures; before anything is looked up. */
  check(address: string): void | Promise<void>;
  /** A credential was not valid. */
  failed(address: string): Promise<void>;
}

const WINDOW_MS = 60_000;

/** `max`: failures of one address in a minute. */
export function createAttemptLimit(count: Count, max: number): AttemptLimit {
  const bucket = (address: string) => [{ name: `failures:${networkOf(address)}`, max }];
  return {
    check(address) {
      const verdict = count(bucket(address), WINDOW_MS, 0);
      return verdict instanceof Promise ? verdict.then(judge) : judge(verdict);
    },
    async failed(address) {
      await count(bucket(address), WINDOW_MS);
    },
  };
}

function judge({ isAllowed, levels }: Verdict): void {
  if (isAllowed) return;
  const seconds = Math.max(1, Math.ceil((levels[0]?.resetMs ?? WINDOW_MS) / 1000));
  throw new AppError('rate_limit_exceeded', {
    message: `Too many invalid credentials from your address: try again in ${seconds} s.`,
    retryAfterSeconds: seconds,
  });
}

/** Whoever has one IPv6 address has its whole /64: they count as one. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = (address.split('%', 1)[0] ?? '').split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap =
    tail === undefined ? [] : Array<string>(Math.max(0, 8 - groups.length - after.length)).fill('0');
  return `${[...groups, ...gap, ...after]
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
