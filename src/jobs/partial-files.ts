import { copyFile, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../core/ids.ts';
import { isSameNote, readNote } from './part-note.ts';

/**
 * Files of one run of an archive task. Every run has names of its own: a worker that was taken for dead and wakes up
 * goes on writing into files that nobody reads any more, never into its successor's.
 */
export interface RunFiles {
  /** The download under way. */
  part: string;
  /** Of which file it is the beginning. */
  note: string;
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
    note: noteOf(path('part')),
    poster: path('webp'),
    sheet: path('jpg'),
    preview: path('preview.webp'),
  };
  const earlier = await filesOf(tempDir, jobId);
  for (const part of earlier.filter((name) => name.endsWith('.part'))) await takeOver(part, files);
  for (const file of earlier) await rm(file, { force: true });
  return {
    ...files,
    run,
    async clear() {
      for (const file of Object.values(files)) await rm(file, { force: true });
    },
  };
}

function noteOf(part: string): string {
  return `${part}.json`;
}

/**
 * Copies a part with its note. Its run may still be alive and begin again with another file between the two copies: a
 * note that has changed by then says so, and nothing is taken over.
 */
async function takeOver(part: string, files: Pick<RunFiles, 'part' | 'note'>): Promise<void> {
  const before = await readNote(noteOf(part));
  if (!before) return;
  await rm(files.note, { force: true });
  try {
    await copyFile(part, files.part);
    await copyFile(noteOf(part), files.note);
  } catch {
    // Gone since then, or the disk is full: the download begins again.
  }
  if (!isSameNote(before, await readNote(files.note))) await rm(files.note, { force: true });
}

async function filesOf(tempDir: string, jobId: string): Promise<string[]> {
  const names = await readdir(tempDir);
  return names.filter((name) => name.startsWith(`${jobId}.`)).map((name) => join(tempDir, name));
}

const ABANDONED_MS = 24 * 60 * 60_000;
/** A run may have come to its end, or its job to another stage, only now. */
const FRESH_MS = 10 * 60_000;
const RUN_FILE = /^(video_[^.]+)\.[^.]+\./;

/**
 * Removes what runs have left behind whose jobs are not being archived any more (taken over by another machine,
 * cancelled, failed), and every file that has not been touched for a day; folders stay. `archiving` says which of some jobs
 * are at it. `now` is in ms since the epoch. Harmless beside runs under way.
 */
export async function removeAbandoned(
  tempDir: string,
  now: number,
  archiving?: (jobIds: readonly string[]) => Promise<readonly string[]>,
): Promise<void> {
  const left = new Map<string, string[]>();
  for (const name of await readdir(tempDir)) {
    const path = join(tempDir, name);
    const entry = await stat(path).catch(() => undefined);
    if (!entry?.isFile()) continue;
    if (now - entry.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
    const jobId = RUN_FILE.exec(name)?.[1];
    if (jobId !== undefined && now - entry.mtimeMs > FRESH_MS)
      left.set(jobId, [...(left.get(jobId) ?? []), path]);
  }
  if (!archiving || left.size === 0) return;
  const alive = new Set(await archiving([...left.keys()]));
  for (const [jobId, paths] of left) {
    if (!alive.has(jobId)) for (const path of paths) await rm(path, { force: true });
  }
}
