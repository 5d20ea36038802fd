import { setTimeout as pause } from 'node:timers/promises';
import type { FaultRates } from '../../src/providers/simulator/faults.ts';
import { type Asked, drawAsk } from './ask.ts';
import { type Addresses, cancel, create } from './client.ts';
import type { Window } from './database.ts';
import type { Random } from './random.ts';

export interface LoadOptions {
  random: Random;
  faults: FaultRates;
  /** Jobs to ask for in all. */
  jobs: number;
  /** Jobs under way at the most, as seen in the database. */
  open: number;
  /** Mean time between two asks, in ms. */
  everyMs: number;
  addresses: Addresses;
  window: Window;
}

/** Clients that ask, insist, and remember. */
export interface Load {
  asked: Asked[];
  /** Resolves when every request has been answered. */
  done: Promise<void>;
  /** Asks for nothing more. */
  end(): void;
  /** Gives up what is still unanswered. */
  abort(): void;
}

const LOOK_MS = 400;

export function startLoad(options: LoadOptions): Load {
  const { random, addresses, window } = options;
  const asked: Asked[] = [];
  const under: Promise<void>[] = [];
  const ending = new AbortController();
  const giveUp = new AbortController();
  let unfinished = 0;

  async function one(index: number): Promise<void> {
    const entry: Asked = { ...drawAsk(random, index, options.faults), told: new Set(), requests: 0 };
    asked.push(entry);
    await create(entry, addresses, giveUp.signal);
    if (entry.jobId === undefined || entry.cancelAfterMs === undefined) return;
    await pause(entry.cancelAfterMs);
    await cancel(entry, addresses, giveUp.signal);
  }

  async function look(): Promise<void> {
    while (!ending.signal.aborted) {
      const rows = await window
        .query<{ count: string }>(`select count(*) from jobs where finished_at is null`)
        .catch(() => []);
      unfinished = Number(rows[0]?.count ?? unfinished);
      await pause(LOOK_MS);
    }
  }

  async function run(): Promise<void> {
    const gaps = random.fork('gaps');
    for (let index = 0; index < options.jobs && !ending.signal.aborted; index += 1) {
      while (!ending.signal.aborted && unfinished + unanswered() >= options.open) await pause(50);
      if (ending.signal.aborted) break;
      under.push(one(index));
      await pause(gaps.gap(options.everyMs));
    }
    await Promise.all(under);
    ending.abort();
  }

  const unanswered = () => asked.filter((entry) => entry.jobId === undefined && !entry.refused).length;
  void look();
  return { asked, done: run(), end: () => ending.abort(), abort: () => giveUp.abort() };
}
