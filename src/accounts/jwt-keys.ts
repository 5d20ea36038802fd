import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { Readable } from 'node:stream';
import type { Clock } from '../core/clock.ts';
import { AppError, errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Outbound } from '../core/outbound.ts';

/** How old an issuer's keys may grow before they are asked for again, in ms. */
const FRESH_MS = 10 * 60_000;
/** How long they are believed when the issuer does not answer, in ms. */
const STALE_MS = 24 * 60 * 60_000;
/** Between two questions, whatever tokens come, in ms; and after one that was not answered. */
const PAUSE_MS = 30_000;
const FAILED_PAUSE_MS = 5000;
const TIMEOUT_MS = 5000;
const MAX_BYTES = 1024 ** 2;

export interface IssuerKeysParts {
  url: string;
  outbound: Outbound;
  clock: Clock;
  log: Log;
}

/**
 * The keys of an issuer, as jose wants them. jose's own remote set takes time from the machine and forgets what it has when
 * the issuer is away; this one goes on with it for a day. A key that is not known makes it ask again, one question at a time
 * and no more than one in half a minute, however many unknown ones come. Throws `unavailable` when it cannot know.
 */
export function createIssuerKeys({ url, outbound, clock, log }: IssuerKeysParts): JWTVerifyGetKey {
  let known: { find: JWTVerifyGetKey; at: number } | undefined;
  let asking: Promise<void> | undefined;
  let nextAt = -Infinity;
  let hasFailed = false;

  async function ask(): Promise<void> {
    try {
      const answer = await outbound(url, {
        timeoutMs: TIMEOUT_MS,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        trust: 'configured',
        headers: { accept: 'application/json, application/jwk-set+json' },
      });
      const body = await readText(answer.body);
      if (answer.status !== 200) throw new Error(`status ${answer.status}`);
      known = { find: createLocalJWKSet(JSON.parse(body) as JSONWebKeySet), at: clock.now() };
      nextAt = clock.now() + PAUSE_MS;
      hasFailed = false;
    } catch (error) {
      if (!hasFailed) log.warn({ error: errorText(error) }, 'the keys of the token issuer cannot be read');
      nextAt = clock.now() + FAILED_PAUSE_MS;
      hasFailed = true;
    }
  }

  /** Asks unless it was done just now; whoever comes meanwhile waits for the same answer. */
  async function refresh(): Promise<void> {
    if (!asking && clock.now() < nextAt) return;
    asking ??= ask().finally(() => (asking = undefined));
    await asking;
  }

  return async (header, token) => {
    const age = clock.now() - (known?.at ?? -Infinity);
    // Nobody waits for keys that are merely growing old.
    if (age > STALE_MS) await refresh();
    else if (age > FRESH_MS) void refresh();
    if (!known || clock.now() - known.at > STALE_MS) throw unavailable();
    try {
      return await known.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await refresh();
      // Nobody can tell whether the issuer has such a key by now.
      if (hasFailed) throw unavailable();
      return known.find(header, token);
    }
  };
}

function unavailable(): AppError {
  return new AppError('unavailable', {
    message: 'The issuer of this token cannot be asked for its keys right now. Try again shortly.',
    retryAfterSeconds: FAILED_PAUSE_MS / 1000,
  });
}

async function readText(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > MAX_BYTES) throw new Error('the answer is too large');
  }
  return Buffer.concat(chunks).toString();
}
