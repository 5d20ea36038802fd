import type { Kysely } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { DB } from '../database/schema.ts';
import type { Media } from '../media/media.ts';
import type { Catalog, Connection } from '../providers/catalog.ts';
import type { Provider } from '../providers/provider.ts';
import type { Storage } from '../storage/storage.ts';
import { PutBack } from '../queue/put-back.ts';
import type { Presence } from './presence.ts';
import type { RunTimesBook } from './run-times.ts';
import type { Writer } from './write.ts';

/** What the steps of the engine are given. */
export interface EngineParts {
  db: Kysely<DB>;
  write: Writer;
  clock: Clock;
  log: Log;
  catalog: Catalog;
  storage: Storage;
  media: Media;
  /** Folder for files under way; on the same file system as local storage. */
  tempDir: string;
  deadlines: Deadlines;
  runTimes: RunTimesBook;
  presence: Presence;
}

export interface Deadlines {
  /** After this long in work a job is overdue: it is asked for less often, a late success is still kept. */
  overdueMs: number;
  /** After this long in work it fails. */
  giveUpMs: number;
}

/** Names of the engine's tasks in the queue. */
export const TASKS = {
  submit: 'jobs.submit',
  reconcile: 'jobs.reconcile',
  archive: 'jobs.archive',
  stop: 'jobs.stop',
} as const;

/** What every task of the engine carries. */
export interface JobTask {
  jobId: string;
}

/** A step that has not come to an end by then gets a new task, in ms; one that is still at it keeps its own. */
export const STEP_RESCUE_MS = 60_000;

/** The queue's key for tasks about one attempt of a job. */
export function attemptKey(jobId: string, number: number): string {
  return `${jobId}:${number}`;
}

/** The connection a job was routed to; undefined when this process does not know it. */
export function providerOf(catalog: Catalog, name: string): Provider | undefined {
  return catalog.connection(name)?.provider;
}

/** A task that this process cannot do waits so long before any process takes it again, in ms. */
const ELSEWHERE_MS = 3000;

/** For a task of a connection that this process does not know: another one may. */
export function notServedHere(connection: string): PutBack {
  return new PutBack(`the connection ${connection} is not configured here`, ELSEWHERE_MS);
}

export function connectionNames(catalog: Catalog): string[] {
  return catalog.connections.map((connection: Connection) => connection.name);
}
