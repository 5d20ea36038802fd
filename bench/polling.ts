import { join } from 'node:path';
import { type PollingCase, type PollingResult, runCase } from './polling-case.ts';
import { type BenchmarkOptions, percentile, type Report, type Row } from './report.ts';

/** With a list: the end is seen within two seconds. Without: within the longest pause between two checks. */
const GOALS_MS = { list: 2000, single: 10_000 };

const CASES: Record<string, Omit<PollingCase, 'jobs'>> = {
  'ends over 60 s': { spreadSeconds: 60, lists: true, archives: false },
  'ends within 10 s': { spreadSeconds: 10, lists: true, archives: false },
  'ends over 60 s, archiving too': { spreadSeconds: 60, lists: true, archives: true },
  'no list, ends over 60 s': { spreadSeconds: 60, lists: false, archives: false },
};

/** How soon the end of a video is seen, with thousands running at once. */
export default async function polling({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const rows: Row[] = [];
  const notes: string[] = [];
  const jobs = quick ? 500 : 5000;
  for (const [what, options] of Object.entries(CASES)) {
    const spreadSeconds = Math.min(options.spreadSeconds, quick ? 10 : Infinity);
    const result = await runCase(join(folder, `case-${rows.length}`), { ...options, jobs, spreadSeconds });
    rows.push(rowOf(what, options.lists, result));
    notes.push(`${what}: ${detailsOf(result)}`);
  }
  return { rows, notes };
}

function rowOf(what: string, lists: boolean, { latenciesMs }: PollingResult): Row {
  const at = (percent: number) => percentile(latenciesMs, percent);
  const goalMs = lists ? GOALS_MS.list : GOALS_MS.single;
  return {
    what: `polling ${latenciesMs.length.toLocaleString('en')}, ${what}`,
    measured: `p99 ${ms(at(99))}`,
    reference: `p50 ${ms(at(50))}, max ${ms(at(100))}`,
    goal: `p99 ≤ ${goalMs / 1000} s`,
    isMet: at(99) <= goalMs,
  };
}

function detailsOf({ calls, cores, archived }: PollingResult): string {
  return [
    `${calls.list.toFixed(1)} list and ${calls.single.toFixed(1)} single calls/s`,
    `${cores.node.toFixed(2)} cores Node, ${cores.postgres.toFixed(2)} PostgreSQL`,
    `${archived} stored by the end`,
  ].join('; ');
}

function ms(value: number): string {
  return `${(value / 1000).toFixed(2)} s`;
}
