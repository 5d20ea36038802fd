import { expect, it } from 'vitest';
import type { Call, Made } from '../provider/rules.ts';
import { foreignVideos, type SceneEvidence, secondCreations } from './judge-scenario.ts';

const call = (key: string, fingerprint: string): Call => ({
  account: 'a',
  key,
  prompt: 'the same words',
  fingerprint,
  hasPicture: true,
  at: 0,
  act: 'take',
  id: undefined,
});
const video = (id: string, key: string, fingerprint: string): Made => ({
  id,
  account: 'a',
  key,
  prompt: 'the same words',
  fingerprint,
  acceptedAt: 0,
  endsAt: 0,
  stoppedAt: undefined,
  deletes: 0,
  fails: false,
});
const attempt = (id: string, job: string, operation?: string) => ({
  id,
  job_id: job,
  state: operation === undefined ? 'rejected' : 'accepted',
  operation: operation === undefined ? null : { id: operation },
});

function evidence(
  parts: Partial<SceneEvidence['state']>,
  attempts: SceneEvidence['attempts'],
): SceneEvidence {
  return { jobs: [], attempts, state: { calls: [], videos: [], files: {}, ...parts } };
}

it('a video that was made for another picture is found, whatever its words', () => {
  const calls = [call('att_a', 'red'), call('att_b', 'blue')];
  const videos = [video('v_1', 'att_b', 'blue')];
  const swapped = [attempt('att_a', 'alice', 'v_1'), attempt('att_b', 'bob')];
  expect(foreignVideos(evidence({ calls, videos }, swapped))).toEqual([
    'alice has v_1, made for another job',
  ]);
  const right = [attempt('att_a', 'alice'), attempt('att_b', 'bob', 'v_1')];
  expect(foreignVideos(evidence({ calls, videos }, right))).toEqual([]);
});

it('one video that two jobs hold is foreign to one of them', () => {
  const calls = [call('att_a', 'same'), call('att_b', 'same')];
  const both = [attempt('att_a', 'alice', 'v_1'), attempt('att_b', 'bob', 'v_1')];
  const videos = [video('v_1', 'att_a', 'same')];
  expect(foreignVideos(evidence({ calls, videos }, both))).toEqual(['v_1 is held by alice and bob']);
});

it('two attempts of one job that were both taken are a second creation; two jobs with equal words are not', () => {
  const videos = [video('v_1', 'att_a', 'same'), video('v_2', 'att_b', 'same')];
  const twice = [attempt('att_a', 'alice'), attempt('att_b', 'alice', 'v_2')];
  expect(secondCreations(evidence({ videos }, twice))).toEqual(['alice ("the same words"): v_1, v_2']);
  const each = [attempt('att_a', 'alice', 'v_1'), attempt('att_b', 'bob', 'v_2')];
  expect(secondCreations(evidence({ videos }, each))).toEqual([]);
});
