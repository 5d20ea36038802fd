import { Client, escapeIdentifier } from 'pg';

/** One connection of a listener, from its start to its end. */
export interface NotifySession {
  /** Makes it hear exactly the channels that are the map's keys. False when the connection broke on the way. */
  hear: (channels: ReadonlyMap<string, unknown>) => Promise<boolean>;
  /** Asks the server for a sign of life; an answer that does not come leaves the promise pending. */
  ping: () => Promise<void>;
  /** Ends it now, even with a question open. */
  end: () => Promise<void>;
}

export interface SessionEvents {
  onNotification: (channel: string, payload: string) => void;
  /** Called once, however it ends. */
  onEnd: () => void;
}

const CONNECT_TIMEOUT_MS = 10_000;

/** Connects; rejects when that fails, and then never calls `onEnd`. */
export async function openSession(url: string, events: SessionEvents): Promise<NotifySession> {
  const client = new Client({
    connectionString: url,
    application_name: 'sora-studio listen',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  // Every error also ends the connection, and the end is what counts.
  client.on('error', () => {});
  client.on('notification', ({ channel, payload }) => events.onNotification(channel, payload ?? ''));
  try {
    await client.connect();
  } catch (error) {
    client.end().catch(() => {});
    throw error;
  }
  client.once('end', events.onEnd);
  const heard = new Set<string>();
  let tail: Promise<unknown> = Promise.resolve();

  /** One piece of work after the other: a connection runs one statement at a time. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = tail.then(work);
    tail = result.catch(() => {});
    return result;
  }

  async function follow(channels: ReadonlyMap<string, unknown>): Promise<void> {
    for (const channel of channels.keys()) {
      if (heard.has(channel)) continue;
      await client.query(`listen ${escapeIdentifier(channel)}`);
      heard.add(channel);
    }
    for (const channel of heard) {
      if (channels.has(channel)) continue;
      await client.query(`unlisten ${escapeIdentifier(channel)}`);
      heard.delete(channel);
    }
  }

  async function hear(channels: ReadonlyMap<string, unknown>): Promise<boolean> {
    try {
      await inTurn(() => follow(channels));
      return true;
    } catch {
      await end();
      return false;
    }
  }

  async function end(): Promise<void> {
    await client.end().catch(() => {});
  }

  return { hear, ping: async () => void (await inTurn(() => client.query('select'))), end };
}
