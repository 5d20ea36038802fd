import { createReadStream } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../core/ids.ts';
import type { Chunks } from '../storage/storage.ts';

/** Lines that are collected on disk, since there is no knowing how many they become. */
export interface Spool {
  add(record: object): Promise<void>;
  count(): number;
  /** Its size in bytes, and its content from the start. */
  finish(): Promise<{ sizeBytes: number; open(): Promise<Chunks> }>;
  remove(): Promise<void>;
}

const BUFFER_CHARACTERS = 64 * 1024;

export async function openSpool(tempDir: string): Promise<Spool> {
  await mkdir(tempDir, { recursive: true });
  const path = join(tempDir, `${newId('run')}.spool`);
  const file = await open(path, 'wx');
  let waiting = '';
  let lines = 0;
  const flush = async () => {
    const text = waiting;
    waiting = '';
    await file.appendFile(text);
  };
  return {
    async add(record) {
      waiting += `${JSON.stringify(record)}\n`;
      lines += 1;
      if (waiting.length > BUFFER_CHARACTERS) await flush();
    },
    count: () => lines,
    async finish() {
      await flush();
      const { size } = await file.stat();
      return { sizeBytes: size, open: async () => createReadStream(path) };
    },
    async remove() {
      await file.close();
      await rm(path, { force: true });
    },
  };
}
