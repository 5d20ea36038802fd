import { copyFile, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../core/ids.ts';

/**
 * Files of one run of an archive task. Every run has names of its own: a worker that was taken for dead and wakes up
 * goes on writing into files that nobody reads any more, never into its successor's.
 */
export interface RunFiles {
  /** The download under way. */
  part: string;
  poster: string;
  sheet: string;
  preview: string;
  /** Set apart from other runs' also in storage. */
  run: string;
  /** Removes what is left. */
  clear(): Promise<void>;
}

/** Names a run's files, and gives it a copy of what an earlier run had downloaded. */
export async function openRun(tempDir: string, jobId: string): Promise<RunFiles> {
  await mkdir(tempDir, { recursive: true });
  const run = newId('run').slice(-12);
  const path = (suffix: string) => join(tempDir, `${jobId}.${run}.${suffix}`);
  const files = {
    part: path('part'),
    poster: path('webp'),
    sheet: path('jpg'),
    preview: path('preview.webp'),
  };
  for (const earlier of await filesOf(tempDir, jobId)) {
    if (earlier.endsWith('.part')) await copyFile(earlier, files.part).catch(() => {});
    await rm(earlier, { force: true });
  }
  return {
    ...files,
    run,
    async clear() {
      for (const file of Object.values(files)) await rm(file, { force: true });
    },
  };
}

async function filesOf(tempDir: string, jobId: string): Promise<string[]> {
  const names = await readdir(tempDir);
  return names.filter((name) => name.startsWith(`${jobId}.`)).map((name) => join(tempDir, name));
}

const ABANDONED_MS = 24 * 60 * 60_000;

/** Removes files that nobody has touched for a day; folders stay. */
export async function removeAbandoned(tempDir: string, now: number): Promise<void> {
  for (const name of await readdir(tempDir)) {
    const path = join(tempDir, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry?.isFile() && now - entry.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
  }
}
