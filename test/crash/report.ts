import type { RunResult } from './run.ts';
import { percentile } from './takeover.ts';

/** Everything that must not happen, with its name. */
export function violations({ verdict }: RunResult): { name: string; found: string[] }[] {
  const all = [
    { name: 'duplicates', found: verdict.duplicates },
    { name: 'lost', found: verdict.lost },
    { name: 'stuck', found: verdict.stuck },
    { name: 'wrong ends', found: verdict.wrongEnds },
    { name: 'orphans', found: verdict.orphans },
    { name: 'unsettled cancellations', found: verdict.unsettled },
    { name: 'contradictions', found: verdict.contradictions },
  ];
  return all.filter(({ found }) => found.length > 0);
}

const SHOWN = 12;
export const TAKEOVER_LIMIT_MS = 15_000;

export function takeoverTimes(result: RunResult): { sorted: number[]; never: number } {
  const times = result.takeovers.flatMap(({ tookMs }) => tookMs ?? []).sort((a, b) => a - b);
  return { sorted: times, never: result.takeovers.length - times.length };
}

/** Whether a run may call itself good. */
export function holds(result: RunResult): boolean {
  const { sorted, never } = takeoverTimes(result);
  return (
    violations(result).length === 0 && never === 0 && (percentile(sorted, 0.99) ?? 0) <= TAKEOVER_LIMIT_MS
  );
}

export function table(result: RunResult): string {
  const { toll, verdict, counts } = result;
  const { sorted, never } = takeoverTimes(result);
  const seconds = (share: number) => ((percentile(sorted, share) ?? 0) / 1000).toFixed(1);
  const list = (counted: Record<string, number>) =>
    Object.entries(counted)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ') || 'none';
  const rows: [string, string | number][] = [
    ['mode', result.mode === 'one' ? 'one process' : 'several processes'],
    ['seed', result.seed],
    ['took', `${result.seconds} s`],
    ['kills (-9)', toll.kills],
    ['restarts', `${toll.restarts} (${toll.ownEnds} after an end of its own)`],
    ['pauses (SIGSTOP)', toll.pauses],
    ['database: connections cut, outages', `${toll.cuts}, ${toll.outages}`],
    ['429 storms', `${toll.storms} (${counts.stormed} refusals)`],
    ['jobs asked, acknowledged', `${verdict.asked}, ${verdict.acknowledged}`],
    ['ended', list(verdict.ends)],
    ['failed because of', list(verdict.failures)],
    ['upstream creations', verdict.creations],
    ['duplicates (paid twice)', verdict.duplicates.length],
    ['lost', verdict.lost.length],
    ['stuck', verdict.stuck.length],
    ['wrong ends', verdict.wrongEnds.length],
    ['orphans upstream', verdict.orphans.length],
    ['cancelled without an outcome', verdict.unsettled.length],
    ['contradictions in database or storage', verdict.contradictions.length],
    ['files that no row names', verdict.strayFiles],
    ['takeovers measured', `${sorted.length} (${never} never)`],
    ['takeover p50, p99, max', `${seconds(0.5)} s, ${seconds(0.99)} s, ${seconds(1)} s`],
    ['every promise held', holds(result) ? 'yes' : 'NO'],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `| ${name.padEnd(width)} | ${value}`);
  const details = violations(result).flatMap(({ name, found }) => {
    const shown = found.slice(0, SHOWN).map((line) => `  - ${line}`);
    if (found.length > SHOWN) shown.push(`  … and ${found.length - SHOWN} more`);
    return [`\n${name}:`, shown.join('\n')];
  });
  return [...lines, ...details].join('\n');
}
