import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../core/clock.ts';
import { sha256 } from '../core/ids.ts';
import { collect, type PutOptions, type Storage, type StoredObject } from './storage.ts';

/** What every storage must do. `setup` gives an empty one, with a folder for files to be handed over. */
export function describeStorage(
  name: string,
  setup: () => Promise<{ storage: Storage; inbox: string }>,
): void {
  async function prepare() {
    const { storage, inbox } = await setup();
    const write = async (content: string) => {
      const file = join(await mkdtemp(join(inbox, 'put-')), 'file');
      await writeFile(file, content);
      return file;
    };
    const put = async (key: string, content: string, options: Partial<PutOptions> = {}) => {
      const file = await write(content);
      await storage.putFile(key, file, { contentType: 'text/plain', ...options });
      return file;
    };
    const listed = async (prefix: string) => {
      const objects: StoredObject[] = [];
      for await (const object of storage.list(prefix)) objects.push(object);
      return objects.sort((a, b) => (a.key < b.key ? -1 : 1));
    };
    return { storage, write, put, listed };
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

    test('takes the file that was announced, and refuses another one without touching it', async () => {
      const { storage, write, put } = await prepare();
      await put('k', 'content', { sizeBytes: 7, sha256: sha256('content') });
      const file = await write('too long');
      const options = { contentType: 'text/plain', sizeBytes: 7, sha256: sha256('content') };
      await expect(storage.putFile('other', file, options)).rejects.toThrow('8 bytes instead of 7');
      expect(await readFile(file, 'utf8')).toBe('too long');
      expect(await storage.size('other')).toBeUndefined();
    });

    test('an empty object is one, and a range behind the end of an object is empty', async () => {
      const { storage, put } = await prepare();
      await put('empty', '');
      expect(await storage.size('empty')).toBe(0);
      expect(await collect(await storage.open('empty'))).toHaveLength(0);
      await put('k', 'abc');
      expect((await collect(await storage.open('k', { start: 1, end: 99 }))).toString()).toBe('bc');
      expect(await collect(await storage.open('k', { start: 3, end: 9 }))).toHaveLength(0);
    });

    test('lists what is there, by the beginning of the key', async () => {
      const { put, listed } = await prepare();
      expect(await listed('')).toEqual([]);
      const before = systemClock.now();
      for (const key of ['a/1', 'a/2.mp4', 'a/b/c/deep', 'ab', 'b']) await put(key, key);
      expect((await listed('')).map(({ key, sizeBytes }) => [key, sizeBytes])).toEqual([
        ['a/1', 3],
        ['a/2.mp4', 7],
        ['a/b/c/deep', 10],
        ['ab', 2],
        ['b', 1],
      ]);
      for (const { modifiedAt } of await listed('')) {
        expect(Math.abs(modifiedAt.getTime() - before)).toBeLessThan(60_000);
      }
      const keys = async (prefix: string) => (await listed(prefix)).map(({ key }) => key);
      expect(await keys('a')).toEqual(['a/1', 'a/2.mp4', 'a/b/c/deep', 'ab']);
      expect(await keys('a/')).toEqual(['a/1', 'a/2.mp4', 'a/b/c/deep']);
      expect(await keys('a/b')).toEqual(['a/b/c/deep']);
      expect(await keys('a/2')).toEqual(['a/2.mp4']);
      expect(await keys('nothing/here')).toEqual([]);
      await expect(listed('../')).rejects.toThrow('not the prefix of a storage key');
    });

    test('a list can be left in the middle, and what is removed meanwhile does not disturb it', async () => {
      const { storage, put, listed } = await prepare();
      for (const key of ['a', 'b', 'c']) await put(key, key);
      for await (const { key } of storage.list('')) {
        expect(key).toMatch(/^[abc]$/);
        break;
      }
      for await (const { key } of storage.list('')) await storage.remove(key);
      expect(await listed('')).toEqual([]);
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
