import { hostname } from 'node:os';
import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import { type Loop, startLoop } from '../core/loop.ts';
import type { DB } from '../database/schema.ts';
import { notePresence, noteStop } from './presence.repository.ts';

const BEAT_MS = 10_000;
/** After a longer silence of its own, of the machine or of the database, a process has not seen what others did, in ms. */
const GAP_MS = 60_000;

/** This process in the registry of all that work on the database. */
export interface Presence {
  /** Writes itself down and goes on saying that it lives. */
  enter(): Promise<void>;
  /** Says so now. Rejects when the database is away. */
  beat(): Promise<void>;
  /** Since when this process could have seen what the others write: nothing earlier can be concluded from their silence. */
  watchingSince(): Date;
  /** From now on it takes no new work. */
  drain(): void;
  leave(): Promise<void>;
}

export interface PresenceParts {
  db: Kysely<DB>;
  clock: Clock;
  log: Log;
  role: string;
  version: string;
  /** Connections it can be given work for. */
  connections: readonly string[];
  skewMs: () => number;
}

export function createPresence(parts: PresenceParts): Presence {
  const { db, clock, log, role, version, connections } = parts;
  const id = newId('proc');
  const self = { id, role, version, host: hostname(), pid: process.pid };
  let loop: Loop | undefined;
  let drainingAt: Date | null = null;
  let watchingSince = new Date(clock.now());
  /** By this machine's steady clock: a gap is one of real time. */
  let lastBeat = performance.now();

  async function beat(): Promise<void> {
    const now = new Date(clock.now());
    await notePresence(db, { ...self, skewMs: parts.skewMs(), drainingAt }, connections, now);
    if (performance.now() - lastBeat > GAP_MS) watchingSince = now;
    lastBeat = performance.now();
  }

  return {
    beat,
    watchingSince: () => watchingSince,
    async enter() {
      watchingSince = new Date(clock.now());
      lastBeat = performance.now();
      await beat();
      loop = startLoop({
        clock,
        intervalMs: BEAT_MS,
        round: async () => {
          await beat();
          return false;
        },
        onError: (error) =>
          log.warn({ error: errorText(error) }, 'the registry of processes cannot be written'),
      });
    },
    drain() {
      drainingAt ??= new Date(clock.now());
      loop?.wake();
    },
    async leave() {
      if (!loop) return;
      await loop.stop();
      await noteStop(db, id, new Date(clock.now()));
    },
  };
}
