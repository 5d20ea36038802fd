import { isIPv6 } from 'node:net';
import type { Kysely } from 'kysely';
import ipaddr from 'ipaddr.js';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { sha256 } from '../core/ids.ts';
import type { DB } from '../database/schema.ts';
import { type AttemptKey, countAttempt, deleteOldAttempts, forgetAttempt } from './throttle.repository.ts';

/** After this long without an attempt nothing is held against anybody, in ms. */
const WINDOW_MS = 15 * 60_000;
const MAX_WAIT_MS = 15 * 60_000;
/** One person at one address, who mistypes. */
const ALLOWED_PAIR = 5;
/** All who share an address; all addresses that try one account. */
const ALLOWED_ADDRESS = 50;
const ALLOWED_ACCOUNT = 100;

/**
 * Slows down guessing, on all machines together. What is counted is the same whether the account exists or not. Somebody who
 * guesses from elsewhere locks nobody out soon: what blocks first is the pair of account and address.
 */
export interface Throttle {
  /**
   * Counts an attempt before its outcome is known, so that many at once gain nothing. Throws `too_many_attempts`. Call what it
   * returns when the attempt was right.
   */
  attempt(email: string, address: string): Promise<() => Promise<void>>;
  /** The same for what may be asked for only so often from an address, such as a mail. */
  ask(what: string, address: string, allowed: number): Promise<void>;
}

export function createThrottle({ db, clock }: { db: Kysely<DB>; clock: Clock }): Throttle {
  async function count(keys: AttemptKey[]): Promise<void> {
    const now = new Date(clock.now());
    const until = await countAttempt(db, keys, now, { windowMs: WINDOW_MS, maxWaitMs: MAX_WAIT_MS });
    if (!until) return;
    const seconds = Math.max(1, Math.ceil((until.getTime() - clock.now()) / 1000));
    throw new AppError('too_many_attempts', {
      message: `Too many attempts: try again in ${seconds} s.`,
      retryAfterSeconds: seconds,
    });
  }

  return {
    async attempt(email, address) {
      const account = sha256(email.toLowerCase());
      const net = network(address);
      const pair = `pair ${account} ${net}`;
      await count([
        { key: pair, allowed: ALLOWED_PAIR },
        { key: `account ${account}`, allowed: ALLOWED_ACCOUNT },
        { key: `address ${net}`, allowed: ALLOWED_ADDRESS },
      ]);
      return async () => {
        await forgetAttempt(db, { anew: [pair], back: [`account ${account}`, `address ${net}`] });
        await deleteOldAttempts(db, new Date(clock.now() - WINDOW_MS - MAX_WAIT_MS));
      };
    },
    ask: (what, address, allowed) => count([{ key: `${what} ${network(address)}`, allowed }]),
  };
}

/** Who has one IPv6 address has 2^64 of them: they count as one. */
export function network(address: string): string {
  if (!isIPv6(address)) return address;
  const parsed = ipaddr.IPv6.parse(address);
  if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().toString();
  return `${parsed.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}
