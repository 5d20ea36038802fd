import { AppError } from '../core/errors.ts';
import { microsToUsd } from '../core/money.ts';
import type { QuotasTable } from '../database/schema-money.ts';
import type { Denial } from './meters.repository.ts';

export type Metric = QuotasTable['metric'];
export type QuotaScope = QuotasTable['scope'];

interface MetricSpec {
  /** Its name in the API. */
  field: string;
  /** In the API; the database counts money in micro-dollars. */
  unit: 'USD' | 'videos' | 'seconds';
  /** How a sentence names the limit. */
  words: string;
}

/** What can be limited. A spend cap belongs to a key, is never reset and is set with the key. */
export const METRICS = {
  usd_day: { field: 'usdPerDay', unit: 'USD', words: 'budget of a day' },
  usd_month: { field: 'usdPerMonth', unit: 'USD', words: 'budget of a month' },
  videos_day: { field: 'videosPerDay', unit: 'videos', words: 'quota of a day' },
  seconds_month: { field: 'secondsPerMonth', unit: 'seconds', words: 'quota of a month' },
  running: { field: 'running', unit: 'videos', words: 'quota of videos in work' },
  usd_total: { field: 'spendCapUsd', unit: 'USD', words: 'spend cap' },
} as const satisfies Record<Metric | 'usd_total', MetricSpec>;

export type QuotaField = (typeof METRICS)[Metric]['field'];

/** An amount of a metric as the API shows it. */
export function shownAmount(metric: keyof typeof METRICS, amount: number): number {
  return METRICS[metric].unit === 'USD' ? microsToUsd(amount) : amount;
}

/** The error for a request that would go beyond its limits: 402 when money is what is missing, else 429. */
export function quotaError(denials: readonly Denial[]): AppError {
  const [first] = denials.toSorted((a, b) => rank(a) - rank(b));
  if (!first) throw new Error('nothing was denied');
  const { words, unit } = METRICS[first.metric];
  const isMoney = unit === 'USD';
  const text = (amount: number) => amountText(shownAmount(first.metric, amount), unit);
  const plain = (amount: number) => (isMoney ? text(amount) : shownAmount(first.metric, amount));
  const left = Math.max(0, first.hard - first.used);
  const reset = first.resetsAt === null ? '' : ` It starts anew at ${inUtc(first.resetsAt)}.`;
  return new AppError(isMoney ? 'budget_exceeded' : 'quota_exceeded', {
    message: `The ${words} of this ${first.scope} has ${plain(left)} of ${text(first.hard)} left; this asks for ${text(first.asked)}.${reset}`,
    details: { exceeded: denials.map(viewDenial) },
  });
}

function viewDenial({ scope, subjectId, metric, hard, used, asked, resetsAt }: Denial) {
  const shown = (amount: number) => shownAmount(metric, amount);
  return {
    limit: METRICS[metric].field,
    scope,
    subjectId,
    hard: shown(hard),
    used: shown(used),
    remaining: shown(Math.max(0, hard - used)),
    asked: shown(asked),
    resetsAt: resetsAt === null ? null : inUtc(resetsAt),
  };
}

/** Money first; then what takes longest to come back. */
function rank({ metric }: Denial): number {
  return ['usd_total', 'usd_month', 'usd_day', 'seconds_month', 'videos_day'].indexOf(metric);
}

function amountText(amount: number, unit: MetricSpec['unit']): string {
  if (unit === 'USD') return `$${amount}`;
  return amount === 1 ? `1 ${unit.slice(0, -1)}` : `${amount} ${unit}`;
}

function inUtc(time: string): string {
  return new Date(time).toISOString();
}
