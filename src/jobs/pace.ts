import type { Selectable } from 'kysely';
import type { ConnectionsTable } from '../database/schema-engine.ts';

/** What is known of a connection's pace. */
export type PaceState = Omit<Selectable<ConnectionsTable>, 'name'>;

/** What the operator allows. */
export interface PaceLimits {
  /** Videos in work at once. */
  maxRunning: number;
  /** Paid calls per minute; undefined: as many as may be. */
  maxCallsPerMinute: number | undefined;
}

const MINUTE_MS = 60_000;
/** One more may run at once for each of these since the last refusal. */
const RECOVER_ONE_MS = 10_000;
/** Several refusals of one burst are one sign, not many. */
const SLOW_ONCE_PER_MS = 1000;

export function firstPace(limits: PaceLimits, now: Date): PaceState {
  const tokens = limits.maxCallsPerMinute ?? 0;
  return { allowed: null, slowed_at: null, blocked_until: null, tokens, refilled_at: now };
}

export interface Allowance {
  /** How many more jobs may be admitted right now. */
  free: number;
  /** What is left of the calls, before those are taken. */
  tokens: number;
}

/** How many jobs may be admitted now, given how many are in work. */
export function allowance(state: PaceState, limits: PaceLimits, running: number, now: Date): Allowance {
  const tokens = refill(state, limits, now);
  if (state.blocked_until && state.blocked_until > now) return { free: 0, tokens };
  const allowed = Math.min(limits.maxRunning, Math.floor(recovered(state, now) ?? limits.maxRunning));
  const byCalls = limits.maxCallsPerMinute === undefined ? Infinity : Math.floor(tokens);
  return { free: Math.max(0, Math.min(allowed - running, byCalls)), tokens };
}

/** Time heals too: where few are admitted, few acceptances could win anything back. */
function recovered({ allowed, slowed_at: slowedAt }: PaceState, now: Date): number | null {
  if (allowed === null || !slowedAt) return allowed;
  return allowed + Math.max(0, now.getTime() - slowedAt.getTime()) / RECOVER_ONE_MS;
}

/** A bucket that fills evenly over a minute and holds a minute's worth. */
function refill(state: PaceState, { maxCallsPerMinute }: PaceLimits, now: Date): number {
  if (maxCallsPerMinute === undefined) return 0;
  const passedMs = Math.max(0, now.getTime() - state.refilled_at.getTime());
  return Math.min(maxCallsPerMinute, state.tokens + (passedMs * maxCallsPerMinute) / MINUTE_MS);
}

/** The upstream asked for patience: half as many at once, and none at all for as long as it says. */
export function slowedDown(state: PaceState, running: number, waitMs: number, now: Date): PaceState {
  const until = new Date(now.getTime() + waitMs);
  const blocked = state.blocked_until && state.blocked_until > until ? state.blocked_until : until;
  const isFresh = state.slowed_at && now.getTime() - state.slowed_at.getTime() < SLOW_ONCE_PER_MS;
  if (isFresh) return { ...state, blocked_until: blocked };
  const allowed = Math.max(1, Math.min(state.allowed ?? Infinity, running) / 2);
  return { ...state, allowed, slowed_at: now, blocked_until: blocked };
}

/** It took a job: one more at once for every round of as many as are allowed; the limit itself in the end. */
export function spedUp(state: PaceState, limits: PaceLimits): PaceState {
  if (state.allowed === null) return state;
  const allowed = state.allowed + 1 / state.allowed;
  return { ...state, allowed: allowed >= limits.maxRunning ? null : allowed };
}
