import { readdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/clock.ts';
import { fakeRender, temporaryFolder } from '../testing.ts';
import { type Clip, createClips, type Render } from './clips.ts';

const clip = (prompt: string): Clip => ({ prompt, width: 64, height: 64, seconds: 1 });

describe('the cache of clips', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let rendered: string[];
  const render: Render = async (wanted, file) => {
    rendered.push(wanted.prompt);
    await fakeRender(wanted, file);
  };
  beforeEach(() => {
    folder = temporaryFolder();
    rendered = [];
  });
  afterEach(() => folder.remove());

  async function size(clips: ReturnType<typeof createClips>, prompt: string): Promise<number> {
    const { file, bytes } = await clips.open(clip(prompt));
    await file.close();
    return bytes;
  }

  it('renders equal clips once, also when they are opened at the same time', async () => {
    const clips = createClips({ clock: systemClock, render, dir: path.join(folder.dir, 'new/folder') });
    const sizes = await Promise.all(['a', 'a', 'a', 'b'].map((prompt) => size(clips, prompt)));
    await size(clips, 'a');
    expect(rendered.sort()).toEqual(['a', 'b']);
    expect(Math.min(...sizes)).toBeGreaterThan(0);
  });

  it('is bounded and renders again what it dropped', async () => {
    const clips = createClips({ clock: systemClock, render, dir: folder.dir, maxFiles: 2 });
    for (const prompt of ['a', 'b', 'c', 'a']) await size(clips, prompt);
    expect(rendered).toEqual(['a', 'b', 'c', 'a']);
    await expect.poll(async () => (await readdir(folder.dir)).length).toBe(2);
  });

  it('takes over the files of an earlier process and clears what it left unfinished', async () => {
    await size(createClips({ clock: systemClock, render, dir: folder.dir }), 'a');
    const [old, fresh] = ['x.1-1.part.mp4', 'y.1-1.part.mp4'].map((name) => path.join(folder.dir, name));
    for (const file of [old, fresh]) await writeFile(file ?? '', 'half');
    await utimes(old ?? '', 1000, 1000);
    await size(createClips({ clock: systemClock, render, dir: folder.dir }), 'a');
    expect(rendered).toEqual(['a']);
    expect(await readdir(folder.dir)).toHaveLength(2);
  });

  it('leaves nothing behind when rendering fails, and tries again the next time', async () => {
    let fails = true;
    const clips = createClips({
      clock: systemClock,
      dir: folder.dir,
      render: async (wanted, file) => {
        await render(wanted, file);
        if (fails) throw new Error('no');
      },
    });
    await expect(clips.open(clip('a'))).rejects.toThrow('no');
    expect(await readdir(folder.dir)).toEqual([]);
    fails = false;
    expect(await size(clips, 'a')).toBeGreaterThan(0);
  });
});
