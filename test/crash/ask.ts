import { type FaultName, type FaultRates, FAULTS } from '../../src/providers/simulator/faults.ts';
import type { Random } from './random.ts';

/** How a client protects itself against asking twice. */
export type Style = 'key' | 'stainless' | 'openai';

/** What one client is going to ask for; all of it follows from the seed. */
export interface Ask {
  index: number;
  prompt: string;
  style: Style;
  faults: FaultName[];
  /** Cancels so long after the answer, in ms. */
  cancelAfterMs: number | undefined;
}

/** What became of it, as far as the client knows. */
export interface Asked extends Ask {
  /** Acknowledged: from then on it must not be lost. */
  jobId?: string;
  /** All ids the client was ever told for this one request. */
  told: Set<string>;
  requests: number;
  refused?: string;
  cancel?: 'cancelled' | 'too_late' | undefined;
}

/** Those that strike by chance; each is drawn for its own prompt, so that the seed decides. */
export const DEFAULT_FAULTS: FaultRates = {
  'lost-answer': 0.1,
  '500': 0.05,
  '500-accepted': 0.05,
  '429': 0.05,
  cut: 0.08,
  slow: 0.05,
  'poll-500': 0.04,
  'unknown-status': 0.03,
  corrupt: 0.015,
  fail: 0.015,
  moderation: 0.01,
  refused: 0.01,
  'no-file': 0.01,
  'no-cancel': 0.02,
};

const STYLES: readonly Style[] = ['key', 'stainless', 'openai'];
const CANCEL_RATE = 0.1;

export function drawAsk(random: Random, index: number, rates: FaultRates): Ask {
  const draw = random.fork(`ask ${index}`);
  const style = draw.pick(STYLES);
  const cancelAfterMs = draw.chance(CANCEL_RATE) ? Math.round(draw.gap(1200)) : undefined;
  const drawn = (Object.keys(rates) as FaultName[]).filter((name) => draw.chance(rates[name] ?? 0));
  // At most one of each stage: two would hide each other, and nobody could say how the job has to end.
  const faults = drawn.filter(
    (name, at) => drawn.findIndex((other) => stageOf(other) === stageOf(name)) === at,
  );
  const tags = faults.map((name) => `[sim:${name}]`).join('');
  return { index, prompt: `ask ${index} ${tags}`.trim(), style, faults, cancelAfterMs };
}

function stageOf(name: FaultName): string {
  return FAULTS[name].stage;
}

/** Reasons to fail that a fault of the upstream accounts for. */
const REASONS: Partial<Record<FaultName, readonly string[]>> = {
  refused: ['simulated_refusal'],
  corrupt: ['upstream_file_invalid'],
  fail: ['simulated_failure', 'server_error'],
  moderation: ['moderation_blocked'],
  'no-file': ['upstream_file_missing'],
  truncated: ['download_failed'],
  forgotten: ['upstream_lost_job'],
};

/** Whether a job that failed this way failed as its faults demand. */
export function mayFailWith(ask: Pick<Ask, 'faults'>, code: string): boolean {
  return ask.faults.some((name) => REASONS[name]?.includes(code) === true);
}

/** Whether its faults leave it no way to a video. */
export function mustFail(ask: Pick<Ask, 'faults'>): boolean {
  return ask.faults.some((name) => REASONS[name] !== undefined);
}
