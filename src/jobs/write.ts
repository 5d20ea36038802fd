import type { Kysely, Transaction } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { DB } from '../database/schema.ts';
import type { Queue } from '../queue/task.ts';

/** One transaction of the engine: its handle, and what it has changed so far. */
export interface Write {
  tx: Transaction<DB>;
  queue: Queue;
  now: Date;
  /** Called by the repositories for each job they change or remove; `stage` when it has got to another one. */
  changed(id: string, stage?: string): void;
}

export interface ChangedJob {
  id: string;
  stage: string | undefined;
}

/**
 * Runs SQL, and nothing but SQL, in one transaction; after the commit tells the listener which jobs changed.
 * The only way the engine writes.
 */
export type Writer = <Result>(work: (write: Write) => Promise<Result>) => Promise<Result>;

export function createWriter(parts: {
  db: Kysely<DB>;
  queue: Queue;
  clock: Clock;
  onCommit: (jobs: readonly ChangedJob[]) => void;
}): Writer {
  return async (work) => {
    const changed: ChangedJob[] = [];
    const result = await parts.db.transaction().execute((tx) =>
      work({
        tx,
        queue: parts.queue,
        now: new Date(parts.clock.now()),
        changed: (id, stage) => void changed.push({ id, stage }),
      }),
    );
    if (changed.length > 0) parts.onCommit(changed);
    return result;
  };
}
