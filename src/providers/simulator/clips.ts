import { mkdir, open, readdir, rename, rm, stat, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../core/clock.ts';
import { sha256 } from '../../core/ids.ts';

export interface Clip {
  prompt: string;
  width: number;
  height: number;
  seconds: number;
}

/** Writes a playable MP4 of the clip to `outFile`; rejects when it cannot, leaving whatever it had begun. */
export type Render = (clip: Clip, outFile: string) => Promise<void>;

export interface OpenClip {
  file: FileHandle;
  bytes: number;
  /** Says which file it is, as static servers do: another rendering of the same clip has another one. */
  etag: string;
}

export interface Clips {
  /** The finished file, opened for reading. The caller closes the handle; the file may leave the cache meanwhile. */
  open(clip: Clip): Promise<OpenClip>;
}

/** No render takes this long: a part that is older belongs to a process that died. */
const LEFT_BEHIND_MS = 3_600_000;

/**
 * A bounded cache of rendered clips in `dir`: equal clips share one file, and callers that come while it is being
 * rendered share that one render. Files of an earlier process are taken over, and several processes may share `dir`.
 */
export function createClips(options: {
  clock: Clock;
  render: Render;
  dir: string;
  maxBytes?: number;
  maxFiles?: number;
}): Clips {
  const { dir, render, clock } = options;
  const files = new LRUCache<string, number>({
    max: options.maxFiles ?? 500,
    maxSize: options.maxBytes ?? 512 * 1024 * 1024,
    sizeCalculation: (bytes) => Math.max(1, bytes),
    dispose: (_bytes, name, reason) => {
      if (reason === 'evict') void unlink(path.join(dir, name)).catch(() => {});
    },
  });
  const underWay = new Map<string, Promise<void>>();
  let adopted: Promise<void> | undefined;
  let counter = 0;

  async function adopt(): Promise<void> {
    await mkdir(dir, { recursive: true });
    for (const name of await readdir(dir)) {
      const file = path.join(dir, name);
      const { size, mtimeMs } = await stat(file).catch(() => ({ size: 0, mtimeMs: Infinity }));
      if (name.includes('.part.')) {
        if (mtimeMs < clock.now() - LEFT_BEHIND_MS) await rm(file, { force: true });
      } else if (name.endsWith('.mp4') && size > 0) files.set(name, size);
    }
  }

  async function make(clip: Clip, name: string): Promise<void> {
    counter += 1;
    const part = path.join(dir, `${name.slice(0, -4)}.${process.pid}-${counter}.part.mp4`);
    try {
      await render(clip, part);
      await rename(part, path.join(dir, name));
      files.set(name, (await stat(path.join(dir, name))).size);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }

  async function ensure(clip: Clip, name: string): Promise<void> {
    await (adopted ??= adopt());
    if (files.get(name) !== undefined) return;
    let making = underWay.get(name);
    if (!making) {
      making = make(clip, name).finally(() => underWay.delete(name));
      underWay.set(name, making);
    }
    await making;
  }

  return {
    async open(clip) {
      const { prompt, width, height, seconds } = clip;
      const name = `${sha256(JSON.stringify([prompt, width, height, seconds]))}.mp4`;
      // Between rendering and opening another clip may have pushed this one out: once more, then give up.
      for (let retry = 0; ; retry += 1) {
        await ensure({ prompt, width, height, seconds }, name);
        try {
          const file = await open(path.join(dir, name));
          const { size: bytes, mtimeMs } = await file.stat();
          return { file, bytes, etag: `"${Math.round(mtimeMs).toString(16)}-${bytes.toString(16)}"` };
        } catch (error) {
          files.delete(name);
          if (retry >= 2) throw error;
        }
      }
    },
  };
}
