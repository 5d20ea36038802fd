import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { DB } from '../database/schema.ts';
import { noteUse } from './keys.repository.ts';

/** Writes down when keys were last used: in the background, many at once, each at most once a minute. */
export interface KeyUse {
  note(keyId: string): void;
  /** Writes what is waiting. Never rejects. */
  flush(): Promise<void>;
}

const DELAY_MS = 2000;
const INTERVAL_MS = 60_000;

export function createKeyUse({ db, clock, log }: { db: Kysely<DB>; clock: Clock; log: Log }): KeyUse {
  const noted = new LRUCache<string, number>({ max: 10_000 });
  let waiting = new Set<string>();
  let cancel = () => {};

  async function flush(): Promise<void> {
    cancel();
    if (waiting.size === 0) return;
    const ids = [...waiting];
    waiting = new Set();
    try {
      await noteUse(db, ids, new Date(clock.now()));
    } catch (error) {
      log.warn({ error: errorText(error) }, 'the last use of keys was not noted');
    }
  }

  return {
    note(keyId) {
      const now = clock.now();
      if (now - (noted.get(keyId) ?? -Infinity) < INTERVAL_MS) return;
      noted.set(keyId, now);
      waiting.add(keyId);
      if (waiting.size === 1) cancel = clock.after(DELAY_MS, () => void flush());
    },
    flush,
  };
}
