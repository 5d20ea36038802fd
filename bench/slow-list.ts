import { join } from 'node:path';
import { runCase } from './polling-case.ts';
import { type BenchmarkOptions, percentile, type Report, seconds } from './report.ts';

const GOAL_MS = 60_000;
const PAGE_MS = 1000;
const SPREAD_SECONDS = 10;

/** Thousands running at an upstream whose list takes a second for each page: when the last end is known here. */
export default async function slowList({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const jobs = quick ? 1000 : 5000;
  const what = `slow list, ${jobs.toLocaleString('en')} running, pages of ${PAGE_MS / 1000} s`;
  const goal = `all ≤ ${GOAL_MS / 1000} s`;
  const options = { jobs, spreadSeconds: SPREAD_SECONDS, lists: true, archives: false, pageMs: PAGE_MS };
  try {
    const { latenciesMs, calls } = await runCase(join(folder, 'case'), options);
    const at = (percent: number) => percentile(latenciesMs, percent);
    const measured = `last after ${seconds(at(100))}`;
    const reference = `p50 ${seconds(at(50))}, p99 ${seconds(at(99))}`;
    const notes = [`slow list: ${calls.list.toFixed(1)} list and ${calls.single.toFixed(1)} single calls/s`];
    return { rows: [{ what, measured, reference, goal, isMet: at(100) <= GOAL_MS }], notes };
  } catch (error) {
    return {
      rows: [{ what, measured: 'not all', goal, isMet: false }],
      notes: [`${what}: ${String(error)}`],
    };
  }
}
