import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { collect, type Storage } from './storage.ts';

/** What every storage must do. `setup` gives an empty one, with a folder for files to be handed over. */
export function describeStorage(
  name: string,
  setup: () => Promise<{ storage: Storage; inbox: string }>,
): void {
  async function prepare() {
    const { storage, inbox } = await setup();
    const put = async (key: string, content: string) => {
      const file = join(await mkdtemp(join(inbox, 'put-')), 'file');
      await writeFile(file, content);
      await storage.putFile(key, file, { contentType: 'text/plain' });
      return file;
    };
    return { storage, put };
  }

  describe(name, () => {
    test('gives back what it was given, whole and in part, and takes the source file over', async () => {
      const { storage, put } = await prepare();
      const source = await put('videos/a/video.mp4', 'hello world');
      expect(await storage.size('videos/a/video.mp4')).toBe(11);
      expect((await collect(await storage.open('videos/a/video.mp4'))).toString()).toBe('hello world');
      const part = await storage.open('videos/a/video.mp4', { start: 6, end: 8 });
      expect((await collect(part)).toString()).toBe('wor');
      await expect(readFile(source)).rejects.toThrow('ENOENT');
    });

    test('replaces an object, so that storing twice is harmless', async () => {
      const { storage, put } = await prepare();
      await put('k', 'one');
      await put('k', 'second');
      expect((await collect(await storage.open('k'))).toString()).toBe('second');
    });

    test('gives long objects chunk by chunk, each good until the next, and can be left in the middle', async () => {
      const { storage, put } = await prepare();
      const content = Array.from({ length: 100_000 }, (_, index) => `${index}`).join();
      await put('long', content);
      let text = '';
      for await (const chunk of await storage.open('long', { start: 5, end: 400_000 })) {
        text += chunk.toString('latin1');
      }
      expect(text).toBe(content.slice(5, 400_001));
      for await (const chunk of await storage.open('long')) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      await storage.remove('long');
    });

    test('says when something is not there, and removing it is no error', async () => {
      const { storage, put } = await prepare();
      expect(await storage.size('nothing')).toBeUndefined();
      await expect(storage.open('nothing')).rejects.toMatchObject({ code: 'content_not_found' });
      await put('k', 'x');
      await storage.remove('k');
      await storage.remove('k');
      expect(await storage.size('k')).toBeUndefined();
    });

    test.each(['../secret', 'a/../../b', '/etc/passwd', 'a//b', '', 'a/.', 'a\u0000b', 'a\\..\\b'])(
      'refuses the key %j',
      async (key) => {
        const { storage } = await prepare();
        await expect(storage.size(key)).rejects.toThrow('not a storage key');
      },
    );

    test('is healthy', async () => {
      const { storage } = await prepare();
      await expect(storage.check()).resolves.toBeUndefined();
    });
  });
}

/** A folder that is removed when the test ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sora-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
