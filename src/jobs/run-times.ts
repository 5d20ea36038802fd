import { LRUCache } from 'lru-cache';
import type { DuePoll } from './poll.repository.ts';
import type { RunTimes } from './run-times.repository.ts';

/** How long runs take, by connection, model and length: looked up now and then, never waited for. */
export interface RunTimesBook {
  get(poll: DuePoll): RunTimes | undefined;
}

const REFRESH_MS = 60_000;
const MAX_ENTRIES = 500;

export function createRunTimesBook(
  load: (connection: string, model: string, seconds: number) => Promise<RunTimes | undefined>,
  now: () => number,
): RunTimesBook {
  const pages = new LRUCache<string, { at: number; times: RunTimes | undefined }>({ max: MAX_ENTRIES });
  return {
    get({ connection, model, seconds }) {
      const key = JSON.stringify([connection, model, seconds]);
      const page = pages.get(key);
      if (!page || now() - page.at > REFRESH_MS) {
        // The old value serves until the new one is there.
        pages.set(key, { at: now(), times: page?.times });
        load(connection, model, seconds).then(
          (times) => pages.set(key, { at: now(), times }),
          () => {},
        );
      }
      return page?.times;
    },
  };
}
