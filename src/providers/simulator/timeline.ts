import { asObject } from '../../core/json.ts';
import { sha256 } from '../../core/ids.ts';
import { chance, type FaultName, faultTags, isFaultName } from './faults.ts';

/**
 * One simulated video: all that is known about it, so that its state at any moment is a pure function of it,
 * the time and the speed. As JSON it is the operation of the in-process adapter.
 */
export type SimulatedVideo = {
  id: string;
  prompt: string;
  seconds: number;
  width: number;
  height: number;
  /** ms since the epoch. */
  acceptedAt: number;
  seed: number;
  faults: FaultName[];
};

/** What can be seen of a video at one moment. */
export interface VideoState {
  phase: 'queued' | 'running' | 'done' | 'failed';
  /** 0 to 100; 100 only when done. */
  progress: number;
  /** ms until the phase ends, or until progress is worth another look; 0 at the end. */
  nextMs: number;
  /** When it ended or will end, in ms since the epoch; Infinity for one that is stuck. */
  endsAt: number;
  failure?: { code: string; message: string; retryable: boolean };
  /** Whether a status call about it is answered 500, or 404, right now. */
  pollFault?: 'poll-500' | 'forgotten';
}

/** The id of the video for an idempotency key: the same key always leads to the same video. */
export function videoIdFor(key: string): string {
  return `video_sim_${sha256(key).slice(0, 32)}`;
}

const LATE_MS = 600_000;
const STUCK_AT = 37;

/**
 * The state at `now`. `speed` 1 is lifelike (about 20 s for 4 s of 720p), 10 is ten times as fast, 0 is at once.
 */
export function stateAt(video: SimulatedVideo, now: number, speed: number): VideoState {
  const has = (fault: FaultName) => video.faults.includes(fault);
  const scale = (ms: number) => (speed > 0 ? ms / speed : 0);
  const { queuedMs, runMs } = durations(video);
  const startsAt = video.acceptedAt + scale(queuedMs);
  const renderedAt = startsAt + scale(runMs);
  const verdict = failureOf(video);
  const endsAt = has('stuck')
    ? Infinity
    : verdict
      ? startsAt + (renderedAt - startsAt) * verdict.at
      : renderedAt + (has('late') ? scale(LATE_MS) : 0);
  if (now < startsAt) return { phase: 'queued', progress: 0, nextMs: startsAt - now, endsAt };

  const fraction = renderedAt > startsAt ? Math.min(1, (now - startsAt) / (renderedAt - startsAt)) : 1;
  const pollFault =
    has('forgotten') && fraction >= 0.5
      ? 'forgotten'
      : has('poll-500') && fraction >= 1 / 3 && fraction < 2 / 3
        ? 'poll-500'
        : undefined;
  const fault = pollFault ? ({ pollFault } as const) : {};
  if (now >= endsAt) {
    if (!verdict) return { phase: 'done', progress: 100, nextMs: 0, endsAt, ...fault };
    return {
      phase: 'failed',
      progress: progressAt(verdict.at),
      nextMs: 0,
      endsAt,
      failure: verdict.failure,
      ...fault,
    };
  }
  const progress = has('stuck') ? Math.min(STUCK_AT, progressAt(fraction)) : progressAt(fraction);
  return { phase: 'running', progress, nextMs: Math.min(1000, endsAt - now), endsAt, ...fault };
}

/** A slow start, a quick middle, a slow end; 99 at the most. */
function progressAt(fraction: number): number {
  return Math.min(99, Math.floor(100 * fraction * fraction * (3 - 2 * fraction)));
}

/** At speed 1: a moment in the queue, then 8 s and 2.5 s per second of 720p, a third more or less. */
function durations(video: SimulatedVideo): { queuedMs: number; runMs: number } {
  const jitter = chance(video.seed, video.prompt, video.id);
  const detail = Math.sqrt((video.width * video.height) / (1280 * 720));
  const runMs = (8000 + 2500 * video.seconds * detail) * (0.7 + 0.6 * jitter);
  return { queuedMs: 600 + 1400 * jitter, runMs: video.faults.includes('slow') ? 10 * runMs : runMs };
}

function failureOf(video: SimulatedVideo) {
  if (video.faults.includes('moderation')) {
    const message = 'The prompt was blocked by the moderation of the simulator.';
    return { at: 0.15, failure: { code: 'moderation_blocked', message, retryable: false } };
  }
  if (video.faults.includes('fail')) {
    // A prompt that asks to fail will do so again; bad luck may pass.
    const retryable = !faultTags(video.prompt).includes('fail');
    const code = retryable ? 'server_error' : 'simulated_failure';
    return { at: 0.5, failure: { code, message: 'The simulator failed on purpose.', retryable } };
  }
  return undefined;
}

/** Reads a simulated video back from JSON; undefined when it is none. */
export function readVideo(json: unknown): SimulatedVideo | undefined {
  const { id, prompt, seconds, width, height, acceptedAt, seed, faults } = asObject(json) ?? {};
  const numbers = [seconds, width, height, acceptedAt, seed];
  if (typeof id !== 'string' || typeof prompt !== 'string' || !Array.isArray(faults)) return undefined;
  if (!numbers.every((value) => Number.isFinite(value))) return undefined;
  const [s, w, h, at, n] = numbers as [number, number, number, number, number];
  return {
    id,
    prompt,
    seconds: s,
    width: w,
    height: h,
    acceptedAt: at,
    seed: n,
    faults: faults.filter(isFaultName),
  };
}
