import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { Clock } from '../core/clock.ts';
import { sha256 } from '../core/ids.ts';
import type { Clip } from './simulator/clips.ts';

/** A clock that stands still until it is moved; timers that fall due run in order while it moves. */
export interface TestClock extends Clock {
  advance(ms: number): void;
}

export function createTestClock(start = Date.UTC(2026, 10, 20)): TestClock {
  let now = start;
  let timers: { at: number; callback: () => void }[] = [];
  return {
    now: () => now,
    after(ms, callback) {
      const timer = { at: now + ms, callback };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const [next] = timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
        if (!next) break;
        timers = timers.filter((timer) => timer !== next);
        now = Math.max(now, next.at);
        next.callback();
      }
      now = end;
    },
  };
}

/** The bytes that `fakeRender` writes for a clip: not a video, but always the same for the same clip. */
export function fakeClip(clip: Clip): Buffer {
  const lines = Array.from({ length: 200 }, (_, line) => sha256(`${line} ${clip.prompt} ${clip.seconds}`));
  return Buffer.from(`${clip.width}x${clip.height}\n${lines.join('\n')}`);
}

/** Stands in for the real renderer. */
export async function fakeRender(clip: Clip, outFile: string): Promise<void> {
  await writeFile(outFile, fakeClip(clip));
}

/** A folder of its own for one test, and how to remove it. */
export function temporaryFolder(): { dir: string; remove: () => void } {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'sora-studio-test-'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** Everything a stream gives; rejects when it breaks off. */
export async function readAll(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}
