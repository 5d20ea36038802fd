import { expect, test } from 'vitest';
import { isFinal, JOB_STATUSES, MOVES, TRANSITIONS } from './job.ts';

const ALLOWED = new Set([
  'pending>processing',
  'pending>failed',
  'pending>cancelled',
  'processing>pending',
  'processing>completed',
  'processing>failed',
  'processing>cancelled',
]);

test.each(JOB_STATUSES.flatMap((from) => JOB_STATUSES.map((to) => ({ from, to }))))(
  'the table has an opinion on $from → $to',
  ({ from, to }) => {
    expect(TRANSITIONS[from].includes(to)).toBe(ALLOWED.has(`${from}>${to}`));
  },
);

test('completed, failed and cancelled are final, and no move leaves them', () => {
  expect(JOB_STATUSES.filter(isFinal)).toEqual(['completed', 'failed', 'cancelled']);
  for (const move of Object.values(MOVES)) expect(move.from).not.toContain('finished');
});
