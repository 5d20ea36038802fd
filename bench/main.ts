import { fork } from 'node:child_process';
import { chmod, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BENCHMARKS, type BenchmarkName } from './benchmarks.ts';
import { machineFacts } from './machine.ts';
import { type Report, type Row, seconds, tableOf, verdictOn } from './report.ts';

const HELP = `Measures Sora Studio as ratios against bare references in the same run.

Usage: npm run bench                       everything
       npm run bench -- --quick            shorter runs, less data; under a minute
       npm run bench -- --only get-job     one of them (may be repeated)

${Object.entries(BENCHMARKS)
  .map(([name, { about }]) => `  ${name.padEnd(12)} ${about}`)
  .join('\n')}
`;

/** Everything that one benchmark leaves behind goes with its folder; it runs in a process of its own. */
async function runOne(name: BenchmarkName, quick: boolean): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), `sora-bench-${name}-`));
  // PostgreSQL may run as another user, who has to get in.
  await chmod(folder, 0o755);
  const logFile = join(folder, 'output.log');
  const log = await open(logFile, 'w');
  try {
    const child = fork(join(import.meta.dirname, 'run-one.ts'), [name, folder, quick ? 'quick' : 'full'], {
      stdio: ['ignore', log.fd, log.fd, 'ipc'],
    });
    let report: Report | undefined;
    child.once('message', (message) => (report = message as Report));
    const code = await new Promise((resolve) => child.once('exit', resolve));
    if (report && code === 0) return report;
    const said = (await readFile(logFile, 'utf8')).trim().split('\n').slice(-20).join('\n');
    return { rows: [{ what: name, measured: 'failed' }], notes: [`${name} failed:\n${said}`] };
  } finally {
    await log.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

function chosen(only: readonly string[], quick: boolean): BenchmarkName[] {
  const names = Object.keys(BENCHMARKS) as BenchmarkName[];
  const unknown = only.filter((name) => !Object.hasOwn(BENCHMARKS, name));
  if (unknown.length > 0)
    throw new Error(`There is no ${unknown.join(', ')}; there are ${names.join(', ')}.`);
  if (only.length > 0) return names.filter((name) => only.includes(name));
  return names.filter((name) => !quick || !BENCHMARKS[name].isLong);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const names = chosen(values.only, values.quick);
  process.stdout.write(`${await machineFacts()}\n\n`);
  const rows: Row[] = [];
  const notes: string[] = [];
  for (const name of names) {
    const startedAt = performance.now();
    process.stderr.write(`${name} … `);
    const report = await runOne(name, values.quick);
    process.stderr.write(`${seconds(performance.now() - startedAt)}\n`);
    rows.push(...report.rows);
    notes.push(...(report.notes ?? []));
  }
  process.stdout.write(`\n${tableOf(rows)}\n\n${notes.map((note) => `${note}\n\n`).join('')}`);
  process.stdout.write(`${verdictOn(rows)}\n`);
  return rows.some((row) => row.measured === 'failed') ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
