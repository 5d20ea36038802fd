import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { ConfigError, loadConfig, readEnvironment } from '../src/config.ts';
import { systemClock } from '../src/core/clock.ts';
import { errorText } from '../src/core/errors.ts';
import { createLifecycle, type Lifecycle } from '../src/core/lifecycle.ts';
import { openDatabase } from '../src/database/open.ts';
import { createWriter } from '../src/jobs/write.ts';
import { createQueue } from '../src/queue/queue.ts';
import { createRetention, type Retention } from '../src/retention/retention.ts';
import { viewPlan } from '../src/retention/retention-view.ts';
import type { SweepReport } from '../src/retention/sweep.ts';
import { openStorage } from '../src/storage/open-storage.ts';
import { databaseUrl } from './database-url.ts';

const HELP = `Deletes what the retention rules no longer keep, or looks for files that nothing names.

Usage: npm run retention -- [options]

  --dry-run   say what would be deleted, and delete nothing
  --sweep     instead of the rules: remove files that no row names, and tell of videos whose file is missing
  --json      the result as JSON
  --help      this text

The rules are settings: RETENTION_DAYS, RETENTION_MAX_BYTES, RETENTION_TAGS, TRASH_DAYS, ASSET_DAYS. A server that runs
may go on running. The exit code is 0 when it was done.
`;

/** Only what is wrong, on stderr: stdout is for results. */
const log = pino({ level: 'warn' }, pino.destination(2));

interface Options {
  dryRun: boolean;
  sweep: boolean;
  json: boolean;
}

async function main({ dryRun, sweep, json }: Options): Promise<void> {
  const lifecycle = createLifecycle();
  const stopping = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stopping.abort());
  try {
    const retention = await open(lifecycle);
    const { signal } = stopping;
    if (sweep) {
      const report = await retention.sweep({ dryRun, signal });
      print(json ? { dryRun, ...report } : sweepText(report, dryRun));
    } else if (dryRun) {
      const plan = viewPlan(await retention.plan());
      print(json ? { dryRun, ...plan } : `Would be deleted:\n${table(plan.expiring)}`);
    } else {
      const sums = await retention.run(signal);
      const rows = Object.entries(sums).map(([rule, { count, bytes }]) => ({ rule, count, bytes }));
      print(json ? { dryRun, deleted: sums } : `Deleted:\n${table(rows)}`);
    }
    if (signal.aborted) process.stderr.write('Stopped before the end: run it again for the rest.\n');
  } finally {
    await lifecycle.stop();
  }
}

async function open(lifecycle: Lifecycle): Promise<Retention> {
  const config = loadConfig(readEnvironment());
  const url = await databaseUrl(config, lifecycle, log);
  const options = { maxConnections: 4, log, slowQueryMs: 60_000, applicationName: 'sora-studio retention' };
  const db = openDatabase({ url, ...options });
  lifecycle.onStop('database', () => db.destroy());
  const storage = await openStorage(config.storage, { log, clock: systemClock });
  lifecycle.onStop('storage', () => storage.close?.());
  // Never started: no task comes of this. The servers hear of what changes from the database.
  const queue = createQueue({ url, log, clock: systemClock });
  const write = createWriter({ db, queue, clock: systemClock, onCommit: () => {} });
  return createRetention({ db, write, log, storage, clock: systemClock, rules: config.retention });
}

function print(result: object | string): void {
  process.stdout.write(`${typeof result === 'string' ? result : JSON.stringify(result, null, 2)}\n`);
}

interface Row {
  rule: string;
  count: number;
  bytes: number;
  oldest?: string | null;
  newest?: string | null;
}

function table(rows: readonly Row[]): string {
  const day = (time: string | null | undefined) => time?.slice(0, 10) ?? '';
  const lines = rows.map((row) => {
    const count = row.rule === 'assets' ? `${row.count} images` : `${row.count} videos`;
    return [row.rule, count, size(row.bytes), day(row.oldest), day(row.newest)];
  });
  const head = ['rule', '', 'size', ...(rows.some((row) => 'oldest' in row) ? ['oldest', 'newest'] : [])];
  const all = [head, ...lines];
  const widths = head.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  return all
    .map((line) =>
      widths
        .map((width, column) => (line[column] ?? '').padEnd(width + 2))
        .join('')
        .trimEnd(),
    )
    .join('\n');
}

function size(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(bytes) / 3));
  return `${Math.round((bytes / 1000 ** power) * 10) / 10} ${['B', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

function sweepText({ files, rows, orphans, missing }: SweepReport, dryRun: boolean): string {
  const what = dryRun ? 'would be removed' : `${files.removed} removed`;
  const lines = [
    `Files: ${files.seen} seen, ${files.orphans} that no row names (${size(files.bytes)}, ${what}), ${files.unknown} not ours.`,
    ...orphans.map((key) => `  ${key}`),
    `Completed videos: ${rows.seen} seen, ${rows.missing} without their file.`,
    ...missing.map((id) => `  ${id}`),
  ];
  return lines.join('\n');
}

function readOptions(): (Options & { help: boolean }) | undefined {
  const flag = { type: 'boolean', default: false } as const;
  try {
    const { values } = parseArgs({
      options: { 'dry-run': flag, sweep: flag, json: flag, help: { ...flag, short: 'h' } },
    });
    return { ...values, dryRun: values['dry-run'] };
  } catch (error) {
    process.stderr.write(`${errorText(error)}\nSee npm run retention -- --help\n`);
    return undefined;
  }
}

/** What the person at the terminal needs to know. */
function explain(error: unknown): string {
  if (error instanceof ConfigError) return [error.message, ...error.problems].join('\n  - ');
  // A table that is not there: nobody has started this release on this database yet.
  if ((error as { code?: unknown }).code === '42P01')
    return 'Start the server once: it prepares the database.';
  return errorText(error);
}

const options = readOptions();
if (!options) process.exit(2);
if (options.help) process.stdout.write(HELP);
else {
  try {
    await main(options);
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exitCode = 1;
  }
}
