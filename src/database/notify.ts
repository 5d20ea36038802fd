import { sql } from 'kysely';
import { type Backoff, backoffMs } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { type NotifySession, openSession } from './notify-session.ts';
import type { Db } from './open.ts';

export interface ListenerOptions {
  /** A PostgreSQL connection string; not through a pooler that shares sessions, since LISTEN belongs to one. */
  url: string;
  log: Log;
  clock: Clock;
  /** How often the connection is tested, in ms (30,000); also how long the answer may take. */
  keepAliveMs?: number;
}

/** One connection that hears notifications, and comes back by itself when it is lost. */
export interface Listener {
  /** Calls back for every notification on a channel from then on. The returned function ends that. */
  on: (channel: string, callback: (payload: string) => void) => () => void;
  /** Calls back when the connection is back: notifications may have been missed, so drop what they keep fresh. */
  onReconnect: (callback: () => void) => void;
  /** Calls back when the connection is lost. */
  onDisconnect: (callback: () => void) => void;
  /** Resolves once every channel given to `on` so far is heard (through outages), or after `stop`. */
  ready: () => Promise<void>;
  /** Closes the connection for good. */
  stop: () => Promise<void>;
}

const BACKOFF: Backoff = { baseMs: 100, factor: 2, maxMs: 10_000 };

/** Starts listening. Connects in the background and tries again until it works or `stop` is called. */
export function createListener(options: ListenerOptions): Listener {
  const { url, log, clock, keepAliveMs = 30_000 } = options;
  const channels = new Map<string, Set<(payload: string) => void>>();
  const onReconnect = new Set<() => void>();
  const onDisconnect = new Set<() => void>();
  const waiting = new Set<() => void>();
  const state: { session: NotifySession | undefined; connections: number; stopped: boolean } = {
    session: undefined,
    connections: 0,
    stopped: false,
  };
  let cancelTimer = () => {};
  let connecting = connect(0);

  async function connect(failures: number): Promise<void> {
    try {
      const session = await openSession(url, { onNotification: deliver, onEnd: lost });
      if (state.stopped) return await session.end();
      state.session = session;
      if (!(await session.hear(channels))) return;
      state.connections += 1;
      if (state.connections > 1) {
        log.info({}, 'listening to the database again');
        for (const callback of onReconnect) guarded(callback);
      }
      wake();
      keepAlive(session);
    } catch (error) {
      if (state.stopped) return;
      log.warn({ err: error, failures }, 'cannot listen to the database');
      retry(failures);
    }
  }

  function retry(failures: number): void {
    cancelTimer = clock.after(backoffMs(BACKOFF, failures), () => (connecting = connect(failures + 1)));
  }

  function lost(): void {
    cancelTimer();
    state.session = undefined;
    if (state.stopped) return;
    log.warn({}, 'the connection that listens to the database was lost');
    for (const callback of onDisconnect) guarded(callback);
    retry(0);
  }

  /** A peer that vanished without a word is noticed only by asking. */
  function keepAlive(session: NotifySession): void {
    cancelTimer = clock.after(keepAliveMs, () => {
      cancelTimer = clock.after(keepAliveMs, () => void session.end());
      const answered = () => {
        if (state.session !== session) return;
        cancelTimer();
        keepAlive(session);
      };
      session.ping().then(answered, () => session.end());
    });
  }

  function deliver(channel: string, payload: string): void {
    for (const callback of channels.get(channel) ?? []) guarded(() => callback(payload));
  }

  function guarded(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      log.error({ err: error }, 'a notification callback failed');
    }
  }

  function wake(): void {
    for (const resolve of waiting) resolve();
    waiting.clear();
  }

  async function ready(): Promise<void> {
    while (!state.stopped) {
      if (await state.session?.hear(channels)) return;
      await new Promise<void>((resolve) => void waiting.add(resolve));
    }
  }

  function on(channel: string, callback: (payload: string) => void): () => void {
    const callbacks = channels.get(channel) ?? new Set();
    callbacks.add(callback);
    channels.set(channel, callbacks);
    void state.session?.hear(channels);
    return () => {
      callbacks.delete(callback);
      if (callbacks.size === 0 && channels.get(channel) === callbacks) channels.delete(channel);
      void state.session?.hear(channels);
    };
  }

  async function stop(): Promise<void> {
    state.stopped = true;
    cancelTimer();
    wake();
    await state.session?.end();
    await connecting;
  }

  return {
    on,
    onReconnect: (callback) => void onReconnect.add(callback),
    onDisconnect: (callback) => void onDisconnect.add(callback),
    ready,
    stop,
  };
}

const MAX_PAYLOAD_BYTES = 7_999;

/**
 * Tells all listeners on a channel; in a transaction, when it commits.
 * @throws RangeError when the payload is longer than 7,999 bytes: send an id, not the thing.
 */
export async function notify(db: Db, channel: string, payload: string): Promise<void> {
  if (Buffer.byteLength(payload) > MAX_PAYLOAD_BYTES)
    throw new RangeError(`a notification carries at most ${MAX_PAYLOAD_BYTES} bytes`);
  await sql`select pg_notify(${channel}, ${payload})`.execute(db);
}
