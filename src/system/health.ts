import type { Clock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import { ClockSkew } from '../core/work-gate.ts';
import type { Log } from '../core/log.ts';

/** Throws when the part cannot do its work. */
export type Check = (() => Promise<unknown>) & {
  /** Shown, but no reason not to be ready: there is something to do without it. */
  isOptional?: boolean;
};

export function optional(check: () => Promise<unknown>): Check {
  return Object.assign(check, { isOptional: true });
}

export interface Readiness {
  ready: boolean;
  checks: Record<string, { ok: boolean; ms: number; message?: string }>;
  timestamp: string;
}

const CHECK_TIMEOUT_MS = 3000;

/** Asks every part at once; one that hangs counts as failed. What went wrong is logged, not shown. */
export async function checkReadiness(
  checks: Readonly<Record<string, Check>>,
  { clock, log }: { clock: Clock; log: Log },
): Promise<Readiness> {
  const entries = Object.entries(checks).map(async ([name, check]) => {
    const startedAt = clock.now();
    try {
      await Promise.race([check(), timeout(clock)]);
      return [name, { ok: true, ms: clock.now() - startedAt }] as const;
    } catch (error) {
      // The operator has to know by how much; it says nothing else about the inside.
      if (error instanceof ClockSkew) return [name, { ok: false, ms: 0, message: error.message }] as const;
      log.warn({ check: name, error: errorText(error) }, 'readiness check failed');
      return [name, { ok: false, ms: clock.now() - startedAt, message: `${name} is not available` }] as const;
    }
  });
  const results = await Promise.all(entries);
  return {
    ready: results.every(([name, result]) => result.ok || checks[name]?.isOptional === true),
    checks: Object.fromEntries(results),
    timestamp: new Date(clock.now()).toISOString(),
  };
}

function timeout(clock: Clock): Promise<never> {
  return new Promise((_resolve, reject) => {
    clock.after(CHECK_TIMEOUT_MS, () => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)));
  });
}
