import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ProcessFacts, processTree } from './procfs.ts';
import { type BenchmarkOptions, megabytes, type Report } from './report.ts';
import { startServerProcess } from './server-process.ts';

const QUIET_MS = 5000;
const GOAL_BYTES = 220 * 1024 ** 2;

/** What a fresh server and its PostgreSQL keep in memory, and the time they take from the CPU, with nothing to do. */
export default async function memory({ quick, folder }: BenchmarkOptions): Promise<Report> {
  const server = await startServerProcess(join(folder, 'data'));
  try {
    await sleep(QUIET_MS);
    const before = await processTree(server.pid);
    const restMs = quick ? 1000 : 60_000;
    await sleep(restMs);
    const after = await processTree(server.pid);
    const pss = sum(before.map(({ pssBytes }) => pssBytes));
    const perMinute = (isOurs: (facts: ProcessFacts) => boolean) =>
      ((cpuOf(after, isOurs) - cpuOf(before, isOurs)) * 60_000) / restMs;
    const [node, postgres] = [perMinute(isNode), perMinute((facts) => !isNode(facts))];
    return {
      rows: [
        {
          what: 'memory at rest (PSS), server and PostgreSQL',
          measured: megabytes(pss),
          reference: `${megabytes(pssOf(before, isNode))} of it Node`,
          goal: `< ${megabytes(GOAL_BYTES)}`,
          isMet: pss < GOAL_BYTES,
        },
        {
          what: 'CPU time at rest',
          measured: `${(node + postgres).toFixed(1)} s a minute`,
          reference: `Node ${node.toFixed(1)}, PostgreSQL ${postgres.toFixed(1)}`,
        },
      ],
      notes: [`memory, by process:\n${before.map(lineOf).join('\n')}\n${sharedNote(before)}`],
    };
  } finally {
    await server.stop();
  }
}

/** Programs that run several times on this machine share their code: alone, the server carries all of it. */
function sharedNote(processes: readonly ProcessFacts[]): string {
  const alone = sum(processes.map((facts) => (isNode(facts) ? facts.rssBytes : facts.pssBytes)));
  return `  ${megabytes(alone)} if no other Node ran on this machine and shared its program's pages`;
}

function lineOf({ name, pssBytes, rssBytes }: ProcessFacts): string {
  const [pss, rss] = [pssBytes, rssBytes].map((bytes) => (bytes / 1024 ** 2).toFixed(1).padStart(6));
  return `  ${pss} MB PSS  ${rss} MB RSS  ${name}`;
}

function isNode({ name }: ProcessFacts): boolean {
  return name.startsWith('node');
}

function pssOf(processes: readonly ProcessFacts[], which: (facts: ProcessFacts) => boolean): number {
  return sum(processes.filter(which).map(({ pssBytes }) => pssBytes));
}

function cpuOf(processes: readonly ProcessFacts[], which: (facts: ProcessFacts) => boolean): number {
  return sum(processes.filter(which).map(({ cpuSeconds }) => cpuSeconds));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
