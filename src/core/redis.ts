import { Redis as Client } from 'ioredis';
import { createHash } from 'node:crypto';
import { type Clock, systemClock } from './clock.ts';
import { errorText } from './errors.ts';
import type { Log } from './log.ts';
import type { Secret } from './secret.ts';

/** A Redis that may go away at any time: then there is no answer, and nobody waits for it. */
export interface Redis {
  /** Whether asking is of no use right now. */
  isAway(): boolean;
  /** A script's answer; undefined when there is none in time. Never rejects. */
  run(
    script: string,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<number[] | undefined>;
  /** Throws when it does not answer. */
  check(): Promise<unknown>;
  close(): Promise<void>;
}

/** Longest wait for an answer, in ms: a request waits for it once, and then nobody for a while. */
const ANSWER_MS = 2000;
/** After no answer nobody asks for this long, in ms; twice as long each time, up to the longest. */
const PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 10_000;
/** Longest wait for the first connection, in ms. */
const START_MS = 2000;

/** Connects, and comes back by itself whenever the connection is lost. Resolves without it when nobody answers. */
export async function openRedis(options: {
  url: Secret;
  /** What the names of all keys begin with. */
  prefix: string;
  clock: Clock;
  log: Log;
}): Promise<Redis> {
  const { prefix, clock, log } = options;
  const client = new Client(options.url.reveal(), {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: ANSWER_MS,
    connectTimeout: START_MS,
    retryStrategy: (tries) => Math.min(50 * 2 ** Math.min(tries, 10), 2000),
  });
  const digests = new Map<string, string>();
  let pausedUntil = 0;
  let pauses = 0;
  let isClosed = false;

  function missed(error: unknown): void {
    // Of many who waited for the same answer, one counts.
    if (isClosed || pausedUntil > clock.now()) return;
    pausedUntil = clock.now() + Math.min(PAUSE_MS * 2 ** pauses, LONGEST_PAUSE_MS);
    pauses += 1;
    if (pauses > 1) return;
    log.warn({ error: errorText(error) }, 'Redis is away: this process counts by itself');
  }

  function answered(): void {
    if (pauses === 0) return;
    pauses = 0;
    log.info({}, 'Redis is back');
  }

  client.on('error', missed);
  client.on('close', () => missed(new Error('the connection was closed')));
  client.on('ready', () => {
    pausedUntil = 0;
    answered();
  });

  async function evaluate(script: string, keys: readonly string[], args: readonly (string | number)[]) {
    const digest = digests.get(script) ?? createHash('sha1').update(script).digest('hex');
    digests.set(script, digest);
    try {
      return await client.evalsha(digest, keys.length, ...keys, ...args);
    } catch (error) {
      if (!errorText(error).startsWith('NOSCRIPT')) throw error;
      return client.eval(script, keys.length, ...keys, ...args);
    }
  }

  await firstAnswer(client);
  return {
    isAway: () => client.status !== 'ready' || pausedUntil > clock.now(),
    async run(script, keys, args) {
      try {
        const names = keys.map((key) => prefix + key);
        const answer = (await evaluate(script, names, args)) as number[];
        answered();
        return answer;
      } catch (error) {
        missed(error);
        return undefined;
      }
    },
    check: () => client.ping(),
    async close() {
      isClosed = true;
      client.disconnect();
    },
  };
}

/** Resolves when it is connected, when it cannot be, or after a while. */
function firstAnswer(client: Client): Promise<void> {
  return new Promise((resolve) => {
    // Connections are made in real time, whatever time it is here.
    const cancel = systemClock.after(START_MS, resolve);
    const done = () => {
      cancel();
      resolve();
    };
    client.once('ready', done);
    client.once('error', done);
  });
}
