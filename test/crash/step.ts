import type { CrashPoint } from './crash-point.ts';

/** One moment in a job's life at which the process is killed. */
export interface Step {
  name: string;
  point: CrashPoint;
  /** Goes into the prompt: faults of the upstream, a slow answer. */
  tags?: string;
  /** Cancel so long after the upstream has taken it, in ms. */
  cancelAfterMs?: number;
  /** How the job may end (completed). */
  ends?: readonly string[];
  /** Also among the few that `npm test` runs. */
  quick?: boolean;
}

/** Right before or after the commit of a transaction that writes such an event. */
export const commit = (when: 'before' | 'after', event: string): CrashPoint => ({
  on: 'commit',
  when,
  match: `"?job\\.${event}"?`,
});
