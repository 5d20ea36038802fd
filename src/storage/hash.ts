import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { readFileChunks } from './file-chunks.ts';
import type { Chunks } from './storage.ts';

export interface Hashed {
  sizeBytes: number;
  /** In hex. */
  sha256: string;
}

/** Reads to the end, in flat memory. */
export async function hashOf(chunks: Chunks): Promise<Hashed> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, sha256: hash.digest('hex') };
}

export async function hashFile(path: string): Promise<string> {
  return (await hashOf(readFileChunks(await open(path)))).sha256;
}
