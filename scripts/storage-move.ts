import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, loadConfig, readEnvironment } from '../src/config.ts';
import { systemClock } from '../src/core/clock.ts';
import { errorText } from '../src/core/errors.ts';
import { silentLog } from '../src/database/silent-log.ts';
import { type MoveCounts, moveObjects, type MoveOptions } from '../src/storage/move-objects.ts';
import { openStorage, type StorageProvider } from '../src/storage/open-storage.ts';
import { StorageStartError } from '../src/storage/start-error.ts';

const HELP = `Copies all stored files from one storage to the other, and checks every copy.

Usage: npm run storage:move -- --from local --to s3 [options]

  --from, --to     local or s3, as the settings describe them
  --dry-run        only say how much would be copied
  --verify-only    copy nothing; read both sides and compare every byte
  --delete-source  remove each file from the source once its copy was read back and is the same
  --at-once N      files under way at once (1 to 64; 4)
  --help           this text

It may be interrupted and run again: what is there already is not copied twice. The server may run meanwhile.
Exits with 0 when everything is there, 1 when something is not, 2 for wrong arguments, 130 when interrupted.
`;

const PROGRESS_MS = 2000;

class UsageError extends Error {}

interface Arguments {
  from: StorageProvider;
  to: StorageProvider;
  does: MoveOptions['does'];
  deleteSource: boolean;
  atOnce: number;
}

function read(args: string[]): Arguments | 'help' {
  const { values } = parse(args);
  if (values.help) return 'help';
  const from = provider('--from', values.from);
  const to = provider('--to', values.to);
  if (from === to) throw new UsageError('--from and --to must be two different storages.');
  const deleteSource = values['delete-source'] ?? false;
  const [look, verify] = [values['dry-run'] ?? false, values['verify-only'] ?? false];
  if (Number(look) + Number(verify) + Number(deleteSource) > 1) {
    throw new UsageError('Give one of --dry-run, --verify-only and --delete-source.');
  }
  const atOnce = Number(values['at-once'] ?? 4);
  if (!Number.isInteger(atOnce) || atOnce < 1 || atOnce > 64) {
    throw new UsageError('--at-once must be a whole number from 1 to 64.');
  }
  return { from, to, does: look ? 'look' : verify ? 'verify' : 'copy', deleteSource, atOnce };
}

function parse(args: string[]) {
  const flag = { type: 'boolean' } as const;
  const value = { type: 'string' } as const;
  const options = {
    from: value,
    to: value,
    'at-once': value,
    'dry-run': flag,
    'verify-only': flag,
    'delete-source': flag,
    help: flag,
  };
  try {
    return parseArgs({ args, options });
  } catch (error) {
    throw new UsageError(errorText(error), { cause: error });
  }
}

function provider(name: string, value: string | undefined): StorageProvider {
  if (value === 'local' || value === 's3') return value;
  throw new UsageError(`${name} must be local or s3.`);
}

async function main(): Promise<number> {
  const args = read(process.argv.slice(2));
  if (args === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const config = loadConfig(readEnvironment());
  if (args.deleteSource && config.storage.provider === args.from) {
    const message = `The server would look for its files in ${args.from}: set STORAGE_PROVIDER=${args.to} and restart it first.`;
    throw new UsageError(`--delete-source is refused. ${message}`);
  }
  const parts = { log: silentLog, clock: systemClock };
  const from = await openStorage(config.storage, parts, args.from);
  const to = await openStorage(config.storage, parts, args.to);
  const tempDir = join(config.dataDir, 'tmp');
  await mkdir(tempDir, { recursive: true });

  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());
  const counts = await moveObjects({
    ...args,
    from,
    to,
    tempDir,
    signal: stopping.signal,
    onObject: progress(args),
    onProblem: (key, error) => void process.stderr.write(`${key}: ${errorText(error)}\n`),
  });
  process.stdout.write(`${stopping.signal.aborted ? 'Interrupted. ' : ''}${summary(counts, args)}\n`);
  if (stopping.signal.aborted) return 130;
  return counts.failed > 0 ? 1 : 0;
}

/** Says at once that something happens, and then every two seconds how far it is. */
function progress(args: Arguments): (counts: MoveCounts) => void {
  let saidAt = -Infinity;
  return (counts) => {
    if (performance.now() - saidAt < PROGRESS_MS) return;
    saidAt = performance.now();
    process.stderr.write(`${counts.seen} seen: ${summary(counts, args)}\n`);
  };
}

function summary(counts: MoveCounts, { from, to, does }: Arguments): string {
  const megabytes = `${(counts.copiedBytes / 1e6).toFixed(1)} MB`;
  const parts = [
    does === 'verify'
      ? undefined
      : `${counts.copied} ${does === 'look' ? 'to copy' : 'copied'} (${megabytes})`,
    `${counts.alike} the same in ${to}${does === 'verify' ? '' : ' already'}`,
    counts.deleted > 0 ? `${counts.deleted} removed from ${from}` : undefined,
    counts.gone > 0 ? `${counts.gone} gone from ${from} meanwhile` : undefined,
    `${counts.failed} failed`,
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}

/** What the person at the terminal needs to know; the stack only where nobody foresaw the error. */
function explain(error: unknown): string {
  if (error instanceof ConfigError) {
    return [error.message, ...error.problems.map((problem) => `  - ${problem}`)].join('\n');
  }
  if (error instanceof UsageError) return `${error.message} Try --help.`;
  if (error instanceof StorageStartError) return error.message;
  return (error as Error).stack ?? String(error);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
