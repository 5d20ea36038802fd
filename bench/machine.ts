import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findBinaries } from '../src/database/embedded-binaries.ts';

export const ROOT = join(import.meta.dirname, '..');

/** What the figures depend on, in one line each. */
export async function machineFacts(): Promise<string> {
  const { postgres } = await findBinaries();
  const { stdout } = await promisify(execFile)(postgres, ['--version']);
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const cpu = cpus()[0]?.model ?? 'unknown CPU';
  return [
    `Sora Studio ${version}`,
    `Machine     ${availableParallelism()} cores (${cpu.trim()}), ${(totalmem() / 1024 ** 3).toFixed(0)} GB, ${process.platform}`,
    `Load        ${loadavg()
      .map((load) => load.toFixed(1))
      .join(' ')} (clients, servers and whatever else runs share the cores: read the ratios)`,
    `Node        ${process.version}`,
    `PostgreSQL  ${/\d+(\.\d+)*/.exec(stdout)?.[0] ?? stdout.trim()}, embedded, fsync on`,
  ].join('\n');
}
