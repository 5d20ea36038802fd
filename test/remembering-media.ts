import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Media } from '../src/media/media.ts';
import type { Previews } from '../src/media/previews.ts';
import type { VideoInfo } from '../src/media/video-info.ts';

/**
 * The real media room, which looks at the same file once in a test run: opening and picturing a clip takes two processes,
 * and most tests make the same small one. What it said and wrote is kept in `folder`, under the file's hash.
 */
export function rememberingMedia(media: Media, folder: string): Media {
  async function placeOf(file: string): Promise<string> {
    await mkdir(folder, { recursive: true });
    return join(
      folder,
      createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
    );
  }

  return {
    ...media,
    async inspectVideo(file, options) {
      const kept = `${await placeOf(file)}.info`;
      const known = await recall<VideoInfo>(kept);
      if (known) return known;
      const info = await media.inspectVideo(file, options);
      await keep(kept, info);
      return info;
    },
    async makePreviews(file, targets, options) {
      const place = await placeOf(file);
      const known = await recall<Previews>(`${place}.previews`);
      const kinds = ['poster', 'sheet', 'preview'] as const;
      if (known) {
        for (const kind of kinds) if (known[kind]) await copyFile(`${place}.${kind}`, targets[kind]);
        return known;
      }
      const made = await media.makePreviews(file, targets, options);
      if (made.source === 'placeholder') return made;
      for (const kind of kinds) {
        if (!made[kind]) continue;
        const copy = `${targets[kind]}.copy`;
        await copyFile(targets[kind], copy);
        await rename(copy, `${place}.${kind}`);
      }
      await keep(`${place}.previews`, made);
      return made;
    },
  };
}

async function recall<T>(file: string): Promise<T | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

/** Whole or not at all: other tests read it at the same time. */
async function keep(file: string, value: unknown): Promise<void> {
  const part = `${file}.${process.pid}`;
  await writeFile(part, JSON.stringify(value));
  await rename(part, file);
}
