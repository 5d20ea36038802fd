import { addAbortSignal } from 'node:stream';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../core/clock.ts';
import { errorText } from '../../core/errors.ts';
import { type ModelSpec, priceMicros } from '../model.ts';
import { type Operation, type PollResult, type Provider, ProviderError } from '../provider.ts';
import { createClips, type Render } from './clips.ts';
import { streamClip } from './content.ts';
import { drawFaults, type FaultRates } from './faults.ts';
import { createGate, type Verdict } from './gate.ts';
import { readVideo, type SimulatedVideo, stateAt, videoIdFor } from './timeline.ts';

/** The one model of the in-process simulator: anything within bounds, free of charge. */
export const SIMULATOR_MODEL: ModelSpec = {
  id: 'simulator',
  upstreamModel: 'simulator',
  description: 'Renders a playable test clip that shows the prompt. Free, needs no key.',
  seconds: { min: 1, max: 60 },
  defaultSeconds: 4,
  sizes: { min: { width: 64, height: 64 }, max: { width: 1920, height: 1920 } },
  defaultSize: { width: 1280, height: 720 },
  inputReference: true,
  pricePerSecondMicros: 0,
};

export interface SimulatorOptions {
  clock: Clock;
  /** 1 is lifelike, 10 ten times as fast, 0 at once. */
  speed: number;
  render: Render;
  /** Folder for rendered clips; made when missing. */
  cacheDir: string;
  /** Faults that strike by chance; those in prompts always work. */
  faults?: FaultRates;
  /** Same seed, same jitter and same luck. */
  seed?: number;
}

/**
 * The simulator as an adapter inside this process. An operation holds everything about its video and its id derives
 * from the idempotency key, so nothing is lost by a restart and a resubmission leads to the same video. (It then has
 * a later `acceptedAt`: the run starts over, which harms nobody.) Only cancellations are remembered in memory, so a
 * cancelled video that is polled after a restart would run on; the core asks about those no more.
 */
export function createSimulator(options: SimulatorOptions): Provider {
  const { clock, speed } = options;
  const seed = options.seed ?? 1;
  const rates = options.faults ?? {};
  const gate = createGate({ seed, rates });
  const clips = createClips({ clock: options.clock, render: options.render, dir: options.cacheDir });
  const cancelled = new LRUCache<string, true>({ max: 10_000 });

  function look(operation: Operation) {
    const video = readVideo(operation);
    if (!video)
      throw new ProviderError('gone', 'unknown_operation', 'The simulator does not know this video.');
    const state = stateAt(video, clock.now(), speed);
    if (state.pollFault === 'poll-500')
      throw new ProviderError('ambiguous', 'server_error', 'Simulated: status 500.');
    if (state.pollFault) throw new ProviderError('gone', 'not_found', 'Simulated: the video was forgotten.');
    return { video, state };
  }

  function poll(operation: Operation): PollResult {
    const { video, state } = look(operation);
    if (cancelled.has(video.id)) return CANCELLED;
    if (state.phase === 'done') return { state: 'done', costMicros: 0, seconds: video.seconds };
    if (state.failure) return { state: 'failed', billed: false, ...state.failure };
    const nextMs = Math.max(1, Math.ceil(state.nextMs));
    if (state.phase === 'queued') return { state: 'queued', progress: 0, nextMs };
    return video.faults.includes('unknown-status')
      ? { state: 'running', nextMs }
      : { state: 'running', progress: state.progress, nextMs };
  }

  return {
    resubmitIsSafe: true,
    models: () => Promise.resolve([SIMULATOR_MODEL]),

    plan: (request, model) => ({
      upstreamModel: model.upstreamModel,
      seconds: request.seconds,
      size: request.size,
      request: { prompt: request.prompt },
      quoteMicros: priceMicros(model, request.seconds, request.size) ?? 0,
    }),

    async submit(plan, { idempotencyKey, signal }) {
      if (signal.aborted) throw new ProviderError('not_sent', 'aborted', 'Given up before it was sent.');
      const prompt = String(plan.request.prompt);
      const verdict = gate(prompt, idempotencyKey);
      if (verdict !== 'accept') throw submitError(verdict);
      return {
        id: videoIdFor(idempotencyKey),
        prompt,
        seconds: plan.seconds,
        width: plan.size.width,
        height: plan.size.height,
        acceptedAt: clock.now(),
        seed,
        faults: drawFaults(prompt, idempotencyKey, seed, rates),
      } satisfies SimulatedVideo;
    },

    poll: async (operation) => poll(operation),

    async open(operation, variant, offset, { signal, ifRange }) {
      const { video, state } = look(operation);
      if (variant !== 'video' || state.phase !== 'done' || video.faults.includes('no-file')) {
        throw new ProviderError('gone', 'no_output', 'The simulator has no such file.');
      }
      const { file, bytes, etag } = await clips.open(video).catch((error: unknown) => {
        throw new ProviderError('unavailable', 'render_failed', 'The simulator could not render the clip.', {
          cause: errorText(error),
        });
      });
      const isSame = ifRange === undefined || ifRange === etag;
      const start = isSame && offset < bytes ? offset : 0;
      const body = streamClip(file, bytes, { start, end: bytes - 1 }, video.faults);
      addAbortSignal(signal, body);
      return { body, contentType: 'video/mp4', totalBytes: bytes, offset: start, etag };
    },

    async cancel(operation, { beforeStop }) {
      const { video, state } = look(operation);
      if (cancelled.has(video.id)) return 'cancelled';
      if (state.phase === 'done' || state.phase === 'failed') return 'too_late';
      if (video.faults.includes('no-cancel')) {
        throw new ProviderError('rejected', 'cancel_refused', 'Simulated: it cannot be stopped.');
      }
      await beforeStop?.();
      cancelled.set(video.id, true);
      return 'cancelled';
    },
  };
}

const CANCELLED: PollResult = {
  state: 'failed',
  code: 'cancelled',
  message: 'The video was cancelled.',
  retryable: false,
  billed: false,
};

function submitError(verdict: Exclude<Verdict, 'accept'>): ProviderError {
  switch (verdict) {
    case 'refused':
      return new ProviderError(
        'rejected',
        'simulated_refusal',
        'The simulator refused the request on purpose.',
      );
    case '429':
      return new ProviderError('throttled', 'rate_limit_exceeded', 'Simulated: too many requests.', {
        retryAfterMs: 1000,
      });
    case '500':
    case '500-accepted':
      return new ProviderError('ambiguous', 'server_error', 'Simulated: status 500.');
    case 'lost-answer':
      return new ProviderError('ambiguous', 'connection_lost', 'Simulated: the answer never arrived.');
  }
}
