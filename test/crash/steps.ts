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

const CREATE = '^POST /v1/videos$';
const CONTENT = '^GET /v1/videos/[^/]+/content';

const commit = (when: 'before' | 'after', event: string): CrashPoint => ({
  on: 'commit',
  when,
  match: `"?job\\.${event}"?`,
});
const CANCELLED = ['cancelled'] as const;
const EITHER = ['cancelled', 'completed'] as const;

/** In the order of a job's way. */
export const STEPS: readonly Step[] = [
  { name: 'before the job is inserted', point: { on: 'sql', when: 'before', match: 'insert into jobs' } },
  {
    name: 'after the job is inserted, before the client knows',
    point: { on: 'sql', when: 'after', match: 'insert into jobs' },
    quick: true,
  },
  { name: 'before the admission is committed', point: commit('before', 'started') },
  { name: 'after the admission is committed', point: commit('after', 'started') },
  {
    name: 'before the attempt counts as sent',
    point: { on: 'sql', when: 'before', match: 'update "attempts".*"sent"' },
  },
  {
    name: 'after the attempt counts as sent, before the call',
    point: { on: 'sql', when: 'after', match: 'update "attempts".*"sent"' },
    quick: true,
  },
  { name: 'as the call is about to go out', point: { on: 'upstream', when: 'before', match: CREATE } },
  {
    name: 'during the call: accepted upstream, no answer yet',
    tags: '[slow-answer]',
    point: { on: 'upstream', when: 'before', match: CREATE, delayMs: 600 },
    quick: true,
  },
  { name: 'when the head of the answer is there', point: { on: 'upstream', when: 'headers', match: CREATE } },
  {
    name: 'when the answer is there, before it is stored',
    point: { on: 'upstream', when: 'after', match: CREATE },
    quick: true,
  },
  { name: 'before the acceptance is committed', point: commit('before', 'accepted') },
  { name: 'after the acceptance is committed', point: commit('after', 'accepted') },
  {
    name: 'when the answer was lost, before the doubt is committed',
    tags: '[sim:lost-answer]',
    point: commit('before', 'unconfirmed'),
  },
  {
    name: 'when the answer was lost, after the doubt is committed',
    tags: '[sim:lost-answer]',
    point: commit('after', 'unconfirmed'),
  },
  {
    name: 'after 500 without acceptance, before the doubt is committed',
    tags: '[sim:500]',
    point: commit('before', 'unconfirmed'),
  },
  {
    name: 'reconciling: before the key is sent again',
    tags: '[sim:lost-answer]',
    point: { on: 'upstream', when: 'before', match: CREATE, nth: 2 },
  },
  {
    name: 'reconciling: the answer is there, not stored',
    tags: '[sim:500-accepted]',
    point: { on: 'upstream', when: 'after', match: CREATE, nth: 2 },
  },
  {
    name: 'after 429, before the job is back in the queue',
    tags: '[sim:429]',
    point: commit('before', 'requeued'),
  },
  {
    name: 'after 429, after the job is back in the queue',
    tags: '[sim:429]',
    point: commit('after', 'requeued'),
  },
  {
    name: 'after polls were claimed',
    tags: '[sim:slow]',
    point: { on: 'sql', when: 'after', match: 'update polls set due_at.*returning' },
  },
  {
    name: 'during a status call',
    tags: '[sim:slow]',
    point: { on: 'upstream', when: 'before', match: '^GET /v1/videos(/video[^/]*$|\\?)' },
  },
  {
    name: 'before poll results are written back',
    tags: '[sim:slow]',
    point: { on: 'sql', when: 'before', match: 'count = count \\+ 1' },
  },
  {
    name: 'after poll results are written back',
    tags: '[sim:slow]',
    point: { on: 'commit', when: 'after', match: 'count = count \\+ 1' },
  },
  { name: 'before "rendered" is committed', point: commit('before', 'rendered') },
  { name: 'after "rendered" is committed', point: commit('after', 'rendered') },
  { name: 'before the download', point: { on: 'upstream', when: 'before', match: CONTENT } },
  {
    name: 'in the middle of the download',
    point: { on: 'upstream', when: 'headers', match: CONTENT, delayMs: 120 },
    quick: true,
  },
  {
    name: 'in the middle of a download that broke off before',
    tags: '[sim:cut]',
    point: { on: 'upstream', when: 'headers', match: CONTENT, nth: 2, delayMs: 60 },
  },
  {
    name: 'before a file is put into storage',
    point: { on: 'rename', when: 'before', match: '/storage/videos/.*thumbnail' },
  },
  {
    name: 'after the thumbnail is in storage',
    point: { on: 'rename', when: 'after', match: '/storage/videos/.*thumbnail' },
  },
  {
    name: 'before the video is put into storage',
    point: { on: 'rename', when: 'before', match: '/storage/videos/.*video\\.' },
  },
  {
    name: 'after the video is in storage',
    point: { on: 'rename', when: 'after', match: '/storage/videos/.*video\\.' },
  },
  { name: 'before the completion is committed', point: commit('before', 'completed') },
  { name: 'after the completion is committed', point: commit('after', 'completed'), quick: true },
  {
    name: 'before a cancellation is committed',
    tags: '[sim:slow]',
    cancelAfterMs: 100,
    ends: EITHER,
    point: commit('before', 'cancelled'),
  },
  {
    name: 'cancelled here, before the upstream is asked to stop',
    tags: '[sim:slow]',
    cancelAfterMs: 100,
    ends: CANCELLED,
    point: commit('after', 'cancelled'),
  },
  {
    name: 'cancelled: as the upstream is asked to stop',
    tags: '[sim:slow]',
    cancelAfterMs: 100,
    ends: CANCELLED,
    point: { on: 'upstream', when: 'before', match: '^DELETE ' },
  },
  {
    name: 'cancelled: stopped upstream, not stored',
    tags: '[sim:slow]',
    cancelAfterMs: 100,
    ends: CANCELLED,
    point: { on: 'upstream', when: 'after', match: '^DELETE ' },
    quick: true,
  },
  {
    name: 'cancelled during the call',
    tags: '[slow-answer][sim:slow]',
    cancelAfterMs: 100,
    ends: CANCELLED,
    point: commit('after', 'cancelled'),
  },
  {
    name: 'cancelled while nobody knows whether it was taken',
    tags: '[sim:lost-answer][sim:slow]',
    cancelAfterMs: 0,
    ends: CANCELLED,
    point: commit('after', 'cancelled'),
  },
];
