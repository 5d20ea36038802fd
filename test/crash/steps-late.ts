import { commit, type Step } from './step.ts';

const CONTENT = '^GET /v1/videos/[^/]+/content';
const CANCELLED = ['cancelled'] as const;
const EITHER = ['cancelled', 'completed'] as const;

/** From the end of the upstream's work to the job's, and cancellations. */
export const LATE: readonly Step[] = [
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
  { name: 'after the completion is committed', point: commit('after', 'completed') },
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
