import type { Transaction } from 'kysely';
import type { DB } from '../database/schema.ts';

/** One unit of work in the queue, in flight. */
export interface Task<Data> {
  data: Data;
  /** How often it has been started before. */
  retries: number;
  /** Aborts as soon as the process begins to stop: for work that can be taken up again without loss. */
  stopping: AbortSignal;
  /** Aborts when it has to end: as `stopping` does, or for a kind that drains when the time for it is over. */
  signal: AbortSignal;
}

/**
 * A kind of task. At most one task per key is waiting or running at any time, so sending one twice is harmless.
 * A handler that throws is run again later, with exponential backoff; with `PutBack`, after a pause of its own and without
 * counting. It may run twice at any point.
 */
export interface TaskKind<Data extends object> {
  name: string;
  /** Tasks of this kind at work at once in one process. */
  concurrency: number;
  /** Longest run in seconds before another worker takes over although this one still lives. */
  timeoutSeconds: number;
  /** Longest pause between tries, in seconds (60). */
  retryMaxSeconds?: number;
  /** What has begun when the process is told to stop is heard to its end, as long as there is time for it. */
  drains?: boolean;
  handle(task: Task<Data>): Promise<void>;
}

export interface SendItem<Data extends object> {
  key: string;
  data: Data;
  /** Not to be run sooner than after so long, in ms by the queue's own clock. */
  delayMs?: number;
}

export interface Queue {
  /** Declares a kind. Before `start`. */
  define<Data extends object>(kind: TaskKind<Data>): void;
  /** Adds tasks inside the caller's transaction: they exist if and only if it commits. */
  send<Data extends object>(tx: Transaction<DB>, name: string, items: SendItem<Data>[]): Promise<void>;
  /**
   * Makes the kinds known to the database and, if `work`, begins to run tasks. With `alone`, what is marked as running
   * belongs to a process that has died, and is begun again at once.
   */
  start(options: { work: boolean; alone?: boolean }): Promise<void>;
  /** Runs what is due right now, one after another, until nothing is; for tests. Returns how many ran. */
  runDue(): Promise<number>;
  /** Throws when the queue's tables cannot be reached. */
  check(): Promise<void>;
  /** Takes no new task from now on, and tells those that run. They go on. */
  halt(): void;
  /**
   * Halts, waits for running tasks and lets go of the database, within about `drainMs` of the halt: those that drain get
   * until shortly before it, the others a moment. What was cut is taken up by another process at once.
   */
  stop(drainMs: number): Promise<void>;
}
