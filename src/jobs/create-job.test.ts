import { expect, test } from 'vitest';
import { laneOf } from './create-job.ts';

const JOB = { owner_id: 'team_1', user_id: 'usr_1', api_key_id: 'key_1' };
const at = (time: string, job: object = {}) => laneOf({ ...JOB, created_at: new Date(time), ...job });

test('only what is counted alike shares a statement: one owner, person and key, and one day', () => {
  expect(at('2026-11-20T23:59:59.998Z')).toBe(at('2026-11-20T23:59:59.999Z'));
  expect(at('2026-11-20T23:59:59.999Z')).not.toBe(at('2026-11-21T00:00:00Z'));
  // Midnight in Kathmandu.
  expect(at('2026-11-20T18:14:59.999Z')).not.toBe(at('2026-11-20T18:15:00Z'));
  for (const other of [{ owner_id: 'usr_1' }, { user_id: 'usr_2' }, { api_key_id: null }])
    expect(at('2026-11-20T12:00:00Z', other)).not.toBe(at('2026-11-20T12:00:00Z'));
});
