import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Outbound } from '../../core/outbound.ts';
import type { VideoSource } from '../provider.ts';
import { createTestClock } from '../testing.ts';
import { dialectNamed } from './dialects.ts';
import { modelNamed } from './models.ts';
import { createOpenAiVideos } from './openai-videos.ts';

const SENT = Date.UTC(2026, 10, 20);
const signal = new AbortController().signal;
const at = (ms: number) => Math.floor((SENT + ms) / 1000);

/** Looks for "a boat" in a list with these pages; tells what came of it and which pages were read. */
async function look(pages: object[], claimed: string[] = [], status = 200, source?: VideoSource) {
  const asked: string[] = [];
  const outbound: Outbound = (url) => {
    asked.push(new URL(url).searchParams.get('after') ?? '');
    const page = pages[asked.length - 1] ?? pages.at(-1);
    return Promise.resolve({ status, headers: {}, body: Readable.from([Buffer.from(JSON.stringify(page))]) });
  };
  const clock = createTestClock(SENT + 60_000);
  const provider = createOpenAiVideos({
    baseUrl: 'http://up.test',
    dialect: dialectNamed('openai'),
    outbound,
    clock,
  });
  const size = { width: 720, height: 1280 };
  const plan = provider.plan(
    { prompt: 'a boat', seconds: 4, size, hasReference: false, ...(source ? { source } : {}) },
    modelNamed('sora-2'),
  );
  const isClaimed = (operation: unknown) =>
    Promise.resolve(claimed.includes((operation as { id: string }).id));
  const result = await provider.find?.({ plan, idempotencyKey: 'k', sentAt: SENT, isClaimed }, { signal });
  return { result, asked };
}

const boat = {
  id: 'boat',
  prompt: 'a boat',
  model: 'sora-2',
  created_at: at(2000),
  size: '720x1280',
  seconds: '4',
};
const list = (data: object[], more: object = { has_more: false }) => ({ object: 'list', data, ...more });

describe('looking for a lost submission', () => {
  it('finds it on a later page', async () => {
    const pages = [
      list([{ ...boat, id: 'x', prompt: 'else' }], { has_more: true, last_id: 'x' }),
      list([boat]),
    ];
    expect(await look(pages)).toEqual({
      result: { outcome: 'found', operation: { id: 'boat' } },
      asked: ['', 'x'],
    });
  });

  it('knows dated names of the same model and times in ms', async () => {
    const dated = { ...boat, model: 'sora-2-2025-12-08', created_at: SENT + 2000 };
    expect((await look([list([dated])])).result?.outcome).toBe('found');
  });

  it.each([
    { prompt: 'another boat' },
    { size: '1280x720' },
    { seconds: '8' },
    { model: 'sora-2-pro' },
    { created_at: at(-600_000) },
    { created_at: at(3_600_000) },
  ])('does not take one with %j for it', async (other) => {
    expect((await look([list([{ ...boat, ...other }])])).result).toEqual({ outcome: 'absent' });
  });

  it('does not take one that belongs to another attempt', async () => {
    expect((await look([list([boat])], ['boat'])).result).toEqual({ outcome: 'absent' });
  });

  it('cannot tell when something might be it', async () => {
    const { prompt: _prompt, ...silent } = boat;
    expect((await look([list([silent])])).result).toEqual({ outcome: 'unknown' });
  });

  it('stops where the list is older than the call', async () => {
    const old = { ...boat, id: 'old', created_at: at(-3_600_000) };
    expect(await look([list([old], { has_more: true, last_id: 'old' })])).toEqual({
      result: { outcome: 'absent' },
      asked: [''],
    });
  });

  it('gives up on a list without end, and on one that turns in a circle', async () => {
    let n = 0;
    const endless = Array.from({ length: 20 }, () =>
      list([{ ...boat, id: `${(n += 1)}`, prompt: 'else' }], { has_more: true }),
    );
    const long = await look(endless);
    expect([long.result?.outcome, long.asked.length]).toEqual(['unknown', 10]);
    const circle = await look([
      list([{ ...boat, id: 'x', prompt: 'else' }], { has_more: true, last_id: 'x' }),
    ]);
    expect(circle.asked.length).toBe(2);
  });

  it('cannot tell where there is no list', async () => {
    expect((await look([{ detail: 'Not Found' }], [], 404)).result).toEqual({ outcome: 'unknown' });
    await expect(look([{}], [], 500)).rejects.toMatchObject({ kind: 'ambiguous' });
  });

  const source = (kind: VideoSource['kind']) => ({ kind, operation: { id: 'parent' }, seconds: 8 });
  const remixed = { ...boat, remixed_from_video_id: 'parent' };
  it.each([
    ['a remix that names its source', 'remix', remixed, 'found'],
    ['one of another source', 'remix', { ...remixed, remixed_from_video_id: 'x' }, 'absent'],
    ['one that may have been made anew', 'remix', { ...boat, remixed_from_video_id: null }, 'unknown'],
    ['an extension by the length of the whole', 'extend', { ...remixed, seconds: '12' }, 'found'],
    ['an extension by what was added', 'extend', remixed, 'found'],
    ['an extension of another length', 'extend', { ...remixed, seconds: '8' }, 'absent'],
  ] as const)('judges %s', async (_what, kind, video, outcome) => {
    expect((await look([list([video])], [], 200, source(kind))).result?.outcome).toBe(outcome);
  });

  it('does not take a remix for a video that was made anew', async () => {
    expect((await look([list([remixed])])).result).toEqual({ outcome: 'absent' });
  });
});
