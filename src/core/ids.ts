import { createHash, randomBytes } from 'node:crypto';
import { v7 } from 'uuid';

/** What ids start with, so that a person reading a log knows what a thing is. */
export type IdPrefix =
  | 'video'
  | 'batch'
  | 'asset'
  | 'col'
  | 'price'
  | 'att'
  | 'usr'
  | 'key'
  | 'req'
  | 'run'
  | 'team'
  | 'mem'
  | 'inv'
  | 'session'
  | 'acc'
  | 'ver';

/** `prefix_` and 32 hex digits that sort by time of creation. */
export function newId(prefix: IdPrefix): string {
  return `${prefix}_${v7().replaceAll('-', '')}`;
}

/** A secret of 192 bits, URL-safe. */
export function newSecret(prefix: string): string {
  return `${prefix}_${randomBytes(24).toString('base64url')}`;
}

/** SHA-256 of a text or bytes, in hex. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** A fraction in [0, 1), for jitter and sampling; not for secrets. */
export function randomFraction(): number {
  return Math.random();
}
