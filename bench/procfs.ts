import { readdir, readFile } from 'node:fs/promises';

/** One process as Linux describes it. */
export interface ProcessFacts {
  pid: number;
  /** What it calls itself: `node`, `postgres: checkpointer`, … */
  name: string;
  /** Its fair share of memory: shared pages count in part. */
  pssBytes: number;
  rssBytes: number;
  /** Used since its start, user and system. */
  cpuSeconds: number;
}

/** Linux's clock ticks per second, the same on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** A process and all its descendants. */
export async function processTree(root: number): Promise<ProcessFacts[]> {
  const children = new Map<number, number[]>();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await statOf(Number(entry));
    if (stat) children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(entry)]);
  }
  const facts: ProcessFacts[] = [];
  const left = [root];
  for (let pid = left.pop(); pid !== undefined; pid = left.pop()) {
    left.push(...(children.get(pid) ?? []));
    const found = await factsOf(pid);
    if (found) facts.push(found);
  }
  return facts;
}

/** Memory in RAM right now; 0 when the process has ended. */
export async function rssOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return kilobytes(text, 'VmRSS');
}

async function factsOf(pid: number): Promise<ProcessFacts | undefined> {
  const [stat, rollup, line] = await Promise.all([
    statOf(pid),
    readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => undefined),
    readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
  ]);
  if (!stat || rollup === undefined) return undefined;
  return {
    pid,
    name: nameOf(line),
    pssBytes: kilobytes(rollup, 'Pss'),
    rssBytes: kilobytes(rollup, 'Rss'),
    cpuSeconds: stat.cpuSeconds,
  };
}

async function statOf(pid: number): Promise<{ parent: number; cpuSeconds: number } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name before it may hold spaces and brackets.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [, parent, user, system] = [fields[0], fields[1], fields[11], fields[12]];
  if (parent === undefined || user === undefined || system === undefined) return undefined;
  return { parent, cpuSeconds: (user + system) / TICKS_PER_SECOND };
}

function kilobytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

function nameOf(commandLine: string): string {
  const words = commandLine.replaceAll('\0', ' ').trim();
  if (words.startsWith('postgres: ')) return words;
  const [program = '', ...rest] = words.split(' ');
  const file = program.split('/').at(-1) ?? program;
  return file === 'node' ? `node ${rest.at(-1)?.split('/').at(-1) ?? ''}` : file;
}
