import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Outbound } from '../../core/outbound.ts';
import type { ListedVideo } from '../listed-video.ts';
import { createTestClock } from '../testing.ts';
import { dialectNamed } from './dialects.ts';
import { createOpenAiVideos } from './openai-videos.ts';

const SERVED = Date.UTC(2026, 10, 20);
const { signal } = new AbortController();

/** Walks a list with these pages, as far as `pages` of them; tells what it saw and which pages were asked for. */
async function walk(answers: object[], { status = 200, pages = Infinity, dialect = 'openai' } = {}) {
  const asked: string[] = [];
  const outbound: Outbound = (url) => {
    asked.push(new URL(url).searchParams.get('after') ?? '');
    const page = answers[asked.length - 1] ?? answers.at(-1);
    const headers = { date: new Date(SERVED).toUTCString() };
    return Promise.resolve({ status, headers, body: Readable.from([Buffer.from(JSON.stringify(page))]) });
  };
  const provider = createOpenAiVideos({
    baseUrl: 'http://up.test',
    dialect: dialectNamed(dialect),
    outbound,
    clock: createTestClock(SERVED),
  });
  const videos: ListedVideo[] = [];
  const served: (number | undefined)[] = [];
  for await (const page of provider.list?.({ signal }) ?? []) {
    videos.push(...page.videos);
    served.push(page.servedAt);
    if (served.length >= pages) break;
  }
  return { videos, served, asked };
}

const video = (id: string, more: object = {}) => ({ id, object: 'video', status: 'queued', ...more });
const list = (data: object[], more: object = { has_more: false }) => ({ object: 'list', data, ...more });

describe('walking a list', () => {
  it('goes from page to page to the end, by the provider’s own time', async () => {
    const { videos, served, asked } = await walk([
      list([video('a', { created_at: 1_790_000_000 })], { has_more: true, last_id: 'a' }),
      list([video('b')]),
    ]);
    expect(videos.map(({ operation }) => operation)).toEqual([{ id: 'a' }, { id: 'b' }]);
    expect(videos.map(({ createdAt }) => createdAt)).toEqual([1_790_000_000_000, undefined]);
    expect(served).toEqual([SERVED, SERVED]);
    expect(asked).toEqual(['', 'a']);
  });

  it('asks for no more pages than its reader wants', async () => {
    const first = list([video('a')], { has_more: true, last_id: 'a' });
    expect((await walk([first], { pages: 1 })).asked).toEqual(['']);
  });

  it('breaks off where the list turns in a circle, and where it takes no cursor', async () => {
    const pages = [
      list([video('a')], { has_more: true, last_id: 'a' }),
      list([video('b')], { has_more: true, last_id: 'b' }),
      list([video('a')], { has_more: true, last_id: 'a' }),
    ];
    await expect(walk(pages)).rejects.toMatchObject({ kind: 'ambiguous' });
  });

  it('says that there is no list, or that it cannot be read', async () => {
    await expect(walk([{ error: { message: 'Not Found' } }], { status: 404 })).rejects.toMatchObject({
      kind: 'gone',
    });
    await expect(walk([{}], { status: 500 })).rejects.toMatchObject({ kind: 'ambiguous' });
    expect((await walk([], { dialect: 'litellm' })).asked).toEqual([]);
  });

  it('reads the key that a video was created with where the server keeps metadata', async () => {
    const marked = video('a', { metadata: { sora_attempt: 'att_1' } });
    expect((await walk([list([marked, video('b')])])).videos.map(({ marker }) => marker)).toEqual([
      'att_1',
      undefined,
    ]);
  });

  it('shows an operator what a video is, and not its words', async () => {
    const told = video('a', { prompt: 'a secret boat', model: 'sora-2', size: '720x1280', seconds: '4' });
    const [seen] = (await walk([list([told])])).videos;
    expect(seen?.shown).toEqual({
      id: 'a',
      status: 'queued',
      model: 'sora-2',
      size: '720x1280',
      seconds: 4,
      createdAt: null,
    });
  });
});
