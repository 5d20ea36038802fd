import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
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
  | 'ver'
  | 'proc';

/** `prefix_` and 32 hex digits that sort by time of creation. */
export function newId(prefix: IdPrefix): string {
  return `${prefix}_${v7().replaceAll('-', '')}`;
}

/** A secret of 192 bits, URL-safe. */
export function newSecret(prefix: string): string {
  return `${prefix}_${randomBytes(24).toString('base64url')}`;
}

/** How many characters of a checked secret are its checksum. */
const CHECK_LENGTH = 6;

/**
 * A secret of 192 bits that ends with a checksum of the rest: what is mistyped or cut off can be told from what is
 * unknown, and a search for leaked secrets from a guess.
 */
export function newCheckedSecret(prefix: string): string {
  const secret = newSecret(prefix);
  return secret + checkOf(secret);
}

/** Whether a text has a checked secret's form and its checksum fits; undefined when it has another form. */
export function isIntact(text: string, prefix: string): boolean | undefined {
  if (!new RegExp(`^${prefix}_[\\w-]{38}$`).test(text)) return undefined;
  return text.slice(-CHECK_LENGTH) === checkOf(text.slice(0, -CHECK_LENGTH));
}

function checkOf(text: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(text));
  return bytes.toString('base64url').slice(0, CHECK_LENGTH);
}

/** SHA-256 of a text or bytes, in hex. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** A fraction in [0, 1), for jitter and sampling; not for secrets. */
export function randomFraction(): number {
  return Math.random();
}
