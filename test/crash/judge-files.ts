import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { JobRow } from './judge.ts';

/** Compares every completed job's files with their row, and its video with its prompt. */
export async function checkFiles(
  storageDir: string,
  jobs: readonly JobRow[],
): Promise<{ problems: string[]; stray: number }> {
  const problems: string[] = [];
  const named = new Set<string>();
  for (const job of jobs) {
    for (const [kind, file] of Object.entries(job.result?.files ?? {})) {
      named.add(file.key);
      const problem = await check(
        join(storageDir, file.key),
        file,
        kind === 'video' ? job.prompt : undefined,
      );
      if (problem) problems.push(`${kind} of ${job.id} (${job.prompt}): ${problem}`);
    }
  }
  const entries = await readdir(storageDir, { recursive: true, withFileTypes: true }).catch(() => []);
  const keys = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(storageDir, join(entry.parentPath, entry.name)));
  return { problems, stray: keys.filter((key) => key.startsWith('videos/') && !named.has(key)).length };
}

async function check(
  path: string,
  file: { sizeBytes: number; sha256: string },
  prompt: string | undefined,
): Promise<string | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  if (!bytes) return 'is missing';
  if (bytes.length !== file.sizeBytes) return `has ${bytes.length} bytes instead of ${file.sizeBytes}`;
  if (createHash('sha256').update(bytes).digest('hex') !== file.sha256) return 'has another hash';
  if (prompt !== undefined && !bytes.includes(`${prompt}\n`)) return 'is the video of another job';
  return undefined;
}
