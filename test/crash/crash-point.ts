/** Where exactly a product process is to be killed. */
export type CrashPoint = {
  /**
   * `sql`: one statement; `commit`: the commit of a transaction that held such a statement (both matched against text
   * and values); `upstream`: one request (`METHOD /path`); `rename`: a file moved to such a place.
   */
  match: string;
  /** The n-th time it happens in this process (the first). */
  nth?: number;
  /** So long after it, in ms (at once). */
  delayMs?: number;
  /** SIGKILL when left out; SIGSTOP pauses it there. */
  signal?: 'SIGKILL' | 'SIGSTOP';
} & (
  | { on: 'sql' | 'commit' | 'rename'; when: 'before' | 'after' }
  /** `before` it goes out; when the `headers` of the answer are there; `after` the answer's last byte. */
  | { on: 'upstream'; when: 'before' | 'headers' | 'after' }
);

/** What the hook is told through the environment (`CRASH_TEST`). */
export interface CrashSettings {
  point?: CrashPoint;
  /** Made by the process that strikes; while it exists nobody strikes again. */
  firedFile?: string;
  /** While it exists, the disk for files is full. */
  fullDiskFile?: string;
  /** Where the process writes down the work it takes. */
  claimsFile?: string;
  /** How far its wall clock is ahead of the machine's, in ms. */
  clockMs?: number;
}
