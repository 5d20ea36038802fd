import { commit, type Step } from './step.ts';
import { LATE } from './steps-late.ts';

const CREATE = '^POST /v1/videos$';

/** From the client's call until the upstream is done, in the order of a job's way. */
const EARLY: readonly Step[] = [
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
];

/** In the order of a job's way. */
export const STEPS: readonly Step[] = [...EARLY, ...LATE];
