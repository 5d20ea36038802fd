import type { Verdict } from './judge.ts';
import type { RunResult } from './run.ts';
import type { Takeover } from './takeover.ts';

/** What every kind of run ends with. */
interface Outcome {
  verdict: Verdict;
  takeovers: readonly Takeover[];
}

/** Everything that must not happen, with its name. */
export function violations(verdict: Verdict): { name: string; found: string[] }[] {
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
const TAKEOVER_LIMIT_MS = 15_000;

function takeoverTimes(result: Outcome): { sorted: number[]; never: number } {
  const times = result.takeovers.flatMap(({ tookMs }) => tookMs ?? []).sort((a, b) => a - b);
  return { sorted: times, never: result.takeovers.length - times.length };
}

/** Whether a run may call itself good. */
export function holds(result: Outcome): boolean {
  const { sorted, never } = takeoverTimes(result);
  return (
    violations(result.verdict).length === 0 &&
    never === 0 &&
    (percentile(sorted, 0.99) ?? 0) <= TAKEOVER_LIMIT_MS
  );
}

export function tableOfRun(result: RunResult): string {
  const { toll, verdict, counts } = result;
  const rows: Row[] = [
    ['seed', result.seed],
    ['took', `${result.seconds} s`],
    ['kills (-9)', toll.kills],
    ['restarts', `${toll.restarts} (${toll.ownEnds} after an end of its own)`],
    ['pauses (SIGSTOP)', toll.pauses],
    ['database: connections cut, outages', `${toll.cuts}, ${toll.outages}`],
    ['429 storms', `${toll.storms} (${counts.stormed} refusals)`],
    ['disk full for a while', toll.fullDisks],
    ...rowsOfVerdict(verdict),
    ...rowsOfTakeovers(result),
    ['every promise held', holds(result) ? 'yes' : 'NO'],
  ];
  const mode = result.mode === 'one' ? 'one process' : 'several processes';
  return table(['random kills', mode], rows) + details(verdict);
}

export type Row = [string, string | number];

export function rowsOfVerdict(verdict: Verdict): Row[] {
  return [
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
  ];
}

export function rowsOfTakeovers(result: Outcome): Row[] {
  const { sorted, never } = takeoverTimes(result);
  const seconds = (share: number) => ((percentile(sorted, share) ?? 0) / 1000).toFixed(1);
  return [
    ['takeovers measured', `${sorted.length} (${never} never)`],
    ['takeover p50, p99, max', `${seconds(0.5)} s, ${seconds(0.99)} s, ${seconds(1)} s`],
  ];
}

/** In Markdown, to be pasted as it is. */
export function table(head: [string, string], rows: readonly Row[]): string {
  const texts = [head, ...rows].map(([name, value]) => [name, String(value)] as const);
  const widths = [0, 1].map((at) => Math.max(...texts.map((row) => (row[at] ?? '').length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const [first = [], ...rest] = texts.map(line);
  return [first, line(widths.map((width) => '-'.repeat(width))), ...rest].join('\n');
}

export function details(verdict: Verdict): string {
  const lines: string[] = [];
  for (const { name, found } of violations(verdict)) {
    lines.push(`\n\n${name}:`, ...found.slice(0, SHOWN).map((line) => `  - ${line}`));
    if (found.length > SHOWN) lines.push(`  … and ${found.length - SHOWN} more`);
  }
  return lines.join('\n');
}

function list(counted: Record<string, number>): string {
  const texts = Object.entries(counted).map(([name, count]) => `${count} ${name}`);
  return texts.join(', ') || 'none';
}

function percentile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
