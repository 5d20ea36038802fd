import type { Clock } from '../core/clock.ts';
import { AppError, errorText } from '../core/errors.ts';
import { type Loop, startLoop } from '../core/loop.ts';
import { exclusively } from '../database/exclusive.ts';
import { makePreviews, type PreviewParts } from './make-previews.ts';
import { findBare } from './previews.repository.ts';
import type { Retention } from './retention.ts';
import type { UpkeepKind } from './upkeep.repository.ts';

const HOUR_MS = 60 * 60_000;
/** How long after a round, of whichever process, the next one is due. */
const EVERY_MS: Record<UpkeepKind, number> = { retention: HOUR_MS, sweep: 24 * HOUR_MS };
const LOOK_MS = 5 * 60_000;
const PREVIEWS_MS = 60_000;
/** After the start: time to think again for somebody who has just set a rule, and quiet for jobs to be taken up. */
const QUIET_MS = 5 * 60_000;
/** A video whose previews could not be tried (storage away, disk full) is left alone for this long. */
const POSTPONED_MS = HOUR_MS;
/** Videos for one hold of the lock. */
const AT_ONCE = 20;

export interface Upkeep {
  start(): void;
  stop(): Promise<void>;
  /** One round of what is due; for tests, which move it by hand. Whether anything was done. */
  step(part: 'rounds' | 'previews', signal?: AbortSignal): Promise<boolean>;
}

/** Keeps the house in the background: expiry, the sweep, and previews for videos that have none. */
export function createUpkeep(parts: PreviewParts & { clock: Clock; retention: Retention }): Upkeep {
  const { db, log, clock, retention } = parts;
  const startedAt = clock.now();
  const loops: Loop[] = [];
  /** Until when a video is left alone, by id. */
  const postponed = new Map<string, number>();

  async function isDue(kind: UpkeepKind): Promise<boolean> {
    const last = await retention.last(kind);
    return last === undefined || last.startedAt.getTime() <= clock.now() - EVERY_MS[kind];
  }

  async function rounds(signal: AbortSignal): Promise<boolean> {
    if (clock.now() < startedAt + QUIET_MS) return false;
    const retained = (await isDue('retention')) && (await unlessTaken(retention.run(signal)));
    const swept =
      !signal.aborted &&
      (await isDue('sweep')) &&
      (await unlessTaken(retention.sweep({ dryRun: false, signal })));
    return retained || swept;
  }

  /** One video after the other, newest first; true when there may be more. */
  async function previews(signal: AbortSignal): Promise<boolean> {
    for (const [id, until] of postponed) if (until <= clock.now()) postponed.delete(id);
    const [next] = await findBare(db, [...postponed.keys()], 1);
    if (next === undefined) return false;
    const done = await exclusively(db, 'previews', async () => {
      for (const id of await findBare(db, [...postponed.keys()], AT_ONCE)) {
        if (signal.aborted) return false;
        const made = await makePreviews(parts, id, signal).catch((error: unknown) => {
          if (signal.aborted) return undefined;
          postponed.set(id, clock.now() + POSTPONED_MS);
          log.warn({ jobId: id, error: errorText(error) }, 'the previews of a video could not be made yet');
          return undefined;
        });
        // Most likely the next one would fail alike: the storage is away, or the disk is full.
        if (made === undefined) return false;
        log.debug({ jobId: id, made }, 'a video without previews has been looked at');
      }
      return true;
    });
    return done ?? false;
  }

  function loop(what: string, intervalMs: number, round: (signal: AbortSignal) => Promise<boolean>): void {
    const onError = (error: unknown) => log.error({ error: errorText(error) }, `${what} failed; it goes on`);
    loops.push(startLoop({ clock, intervalMs, round, onError }));
  }

  return {
    start() {
      loop('upkeep', LOOK_MS, async (signal) => {
        await rounds(signal);
        return false;
      });
      loop('making previews', PREVIEWS_MS, previews);
    },
    async stop() {
      await Promise.all(loops.map((entry) => entry.stop()));
    },
    step: (part, signal = new AbortController().signal) =>
      part === 'rounds' ? rounds(signal) : previews(signal),
  };
}

/** False when another process is at it. */
async function unlessTaken(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === 'retention_running') return false;
    throw error;
  }
}
