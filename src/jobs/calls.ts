import type { Attempt } from './attempts.repository.ts';
import type { Call } from './calls.repository.ts';

/** When an attempt's calls were on the wire, in ms since the epoch. */
export interface Span {
  /** The first byte of the first call went out no earlier. */
  from: number;
  /** The last byte of the last call went out no later. */
  to: number;
}

/** An upstream may show late what it took: its list counts as lacking a video only after this, in ms since the last call. */
export const GRACE_MS = 60_000;

/** Longest time of a call that is known by its attempt alone, without a row of its own, in ms. */
const UNWRITTEN_MS = 60_000;

/** The span of an attempt's calls; undefined while none was made. */
export function spanOf(attempt: Pick<Attempt, 'sent_at'>, calls: readonly Call[]): Span | undefined {
  const made = calls.filter(({ outcome }) => outcome !== 'not_sent');
  if (made.length === 0) {
    const sentAt = calls.length === 0 ? attempt.sent_at?.getTime() : undefined;
    return sentAt === undefined ? undefined : { from: sentAt, to: sentAt + UNWRITTEN_MS };
  }
  return {
    from: Math.min(...made.map((call) => call.sent_at.getTime())),
    to: Math.max(...made.map((call) => (call.ended_at ?? call.ends_at).getTime())),
  };
}

/** Whether a call of an attempt may still be on its way, or be heard, at a time in ms: then nothing can be concluded. */
export function isUnderWay(attempt: Pick<Attempt, 'sent_at'>, calls: readonly Call[], now: number): boolean {
  if (calls.length > 0) return calls.some((call) => call.ended_at === null && call.ends_at.getTime() > now);
  return (spanOf(attempt, calls)?.to ?? 0) > now;
}

const NOES: ReadonlySet<string> = new Set(['refused', 'turned_away', 'not_sent']);

/** Whether every call has ended with a no or was never sent: the upstream has taken nothing. */
export function isSurelyNotTaken(calls: readonly Call[]): boolean {
  return calls.length > 0 && calls.every(({ outcome }) => outcome !== null && NOES.has(outcome));
}
