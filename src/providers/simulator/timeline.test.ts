import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FaultName } from './faults.ts';
import { readVideo, type SimulatedVideo, stateAt, videoIdFor } from './timeline.ts';

function video(faults: FaultName[] = [], more: Partial<SimulatedVideo> = {}): SimulatedVideo {
  const size = { width: 1280, height: 720 };
  return { id: 'video_1', prompt: 'a boat', seconds: 4, ...size, acceptedAt: 1000, seed: 1, faults, ...more };
}

describe('the timeline of a simulated video', () => {
  it('only ever goes forward, from queued to done', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0.1, max: 100, noNaN: true }),
        (prompt, seconds, speed) => {
          const clip = video([], { prompt, seconds });
          const { endsAt } = stateAt(clip, 0, speed);
          const order = ['queued', 'running', 'done'];
          let last = { rank: 0, progress: 0 };
          for (let step = 0; step <= 50; step += 1) {
            const state = stateAt(clip, 1000 + ((endsAt - 1000) * step) / 49, speed);
            const rank = order.indexOf(state.phase);
            expect(rank).toBeGreaterThanOrEqual(last.rank);
            expect(state.progress).toBeGreaterThanOrEqual(last.progress);
            expect(state.progress === 100).toBe(state.phase === 'done');
            last = { rank, progress: state.progress };
          }
          expect(last).toEqual({ rank: 2, progress: 100 });
        },
      ),
    );
  });

  it('takes some 10 to 25 s for 4 s of 720p, ten times less at speed 10, nothing at speed 0', () => {
    const took = (speed: number) => stateAt(video(), 0, speed).endsAt - 1000;
    expect(took(1)).toBeGreaterThan(10_000);
    expect(took(1)).toBeLessThan(25_000);
    expect(took(10)).toBeCloseTo(took(1) / 10);
    expect(took(0)).toBe(0);
    expect(stateAt(video(), 1000, 0).phase).toBe('done');
  });

  it('takes longer when slow, and longer still when late, standing at 99', () => {
    const plain = stateAt(video(), 0, 1).endsAt;
    expect(stateAt(video(['slow']), 0, 1).endsAt).toBeGreaterThan(5 * plain);
    const late = video(['late']);
    expect(stateAt(late, plain + 1000, 1)).toMatchObject({ phase: 'running', progress: 99 });
    expect(stateAt(late, plain + 600_001, 1).phase).toBe('done');
  });

  it('fails for good where it is meant to, and says whether another try may help', () => {
    const failed = stateAt(video(['fail'], { prompt: '[sim:fail]' }), 1e9, 1);
    expect(failed).toMatchObject({
      phase: 'failed',
      progress: 50,
      failure: { code: 'simulated_failure', retryable: false },
    });
    expect(stateAt(video(['fail']), 1e9, 1).failure).toMatchObject({ code: 'server_error', retryable: true });
    expect(stateAt(video(['moderation']), 1e9, 1).failure?.code).toBe('moderation_blocked');
  });

  it('makes status calls fail where asked to', () => {
    const end = stateAt(video(), 0, 1).endsAt;
    const middle = 1000 + (end - 1000) * 0.55;
    expect(stateAt(video(['poll-500']), middle, 1).pollFault).toBe('poll-500');
    expect(stateAt(video(['poll-500']), end, 1)).toEqual(stateAt(video(), end, 1));
    expect(stateAt(video(['forgotten']), end, 1).pollFault).toBe('forgotten');
  });

  it('has one id per key', () => {
    expect(videoIdFor('a')).toBe(videoIdFor('a'));
    expect(videoIdFor('a')).not.toBe(videoIdFor('b'));
  });

  it('is read back from JSON, and nothing else is', () => {
    const stored: unknown = JSON.parse(JSON.stringify(video(['fail'])));
    expect(readVideo(stored)).toEqual(video(['fail']));
    for (const other of [null, 1, 'x', [], {}, { ...video(), seconds: '4' }])
      expect(readVideo(other)).toBeUndefined();
  });
});
