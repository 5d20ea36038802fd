import type { CrashPoint } from './crash-point.ts';

/** A worker that is stopped (SIGSTOP) at one exact step, and wakes up when its successor has done the work. */
export interface Pause {
  name: string;
  point: CrashPoint;
  tags?: string;
  /** Wakes up after this, whatever the successor has done by then; else when the job has ended. */
  ms?: number;
  /** The upstream knows no idempotency key: its list has to tell. */
  listOnly?: boolean;
  /** Also among the few that `npm test` runs. */
  quick?: boolean;
}

const CREATE = '^POST /v1/videos$';
const CONTENT = '^GET /v1/videos/[^/]+/content';
const SENT: CrashPoint = { on: 'sql', when: 'after', match: 'update "attempts".*"sent"' };

export const PAUSES: readonly Pause[] = [
  { name: 'before the paid call', point: SENT, quick: true },
  {
    name: 'with the answer to the paid call in hand',
    point: { on: 'upstream', when: 'after', match: CREATE },
  },
  { name: 'with the admission open', point: { on: 'commit', when: 'before', match: 'job\\.started' } },
  {
    name: 'with polls claimed',
    tags: '[sim:slow]',
    point: { on: 'sql', when: 'after', match: 'update polls set due_at.*returning' },
  },
  {
    name: 'in the middle of a download',
    point: { on: 'upstream', when: 'headers', match: CONTENT, delayMs: 120 },
  },
  {
    name: 'before a file is stored',
    point: { on: 'rename', when: 'before', match: '/storage/videos/.*video\\.' },
  },
  { name: 'with the completion open', point: { on: 'commit', when: 'before', match: 'job\\.completed' } },
  {
    name: 'for three seconds, with the job just put back into the queue',
    tags: '[sim:429]',
    point: { on: 'commit', when: 'after', match: 'job\\.requeued' },
    ms: 3000,
  },
  { name: 'before the paid call, for longer than a list is waited for', point: SENT, listOnly: true },
  {
    name: 'with the answer to the paid call in hand, where only a list can tell',
    point: { on: 'upstream', when: 'after', match: CREATE },
    listOnly: true,
  },
];
