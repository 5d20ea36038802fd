import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Provider, SubmitContext } from '../provider.ts';
import { describeProvider } from '../provider-contract.ts';
import {
  createTestClock,
  fakeClip,
  fakeRender,
  readAll,
  temporaryFolder,
  type TestClock,
} from '../testing.ts';
import type { FaultRates } from './faults.ts';
import { createSimulator, SIMULATOR_MODEL } from './simulator.ts';

const HOUR = 3_600_000;
const signal = new AbortController().signal;

describeProvider('simulator', async () => {
  const folder = temporaryFolder();
  const clock = createTestClock();
  return {
    provider: createSimulator({ clock, speed: 1, render: fakeRender, cacheDir: folder.dir }),
    model: SIMULATOR_MODEL,
    settle: () => clock.advance(HOUR),
    prompts: {
      succeeds: 'a paper boat',
      fails: { prompt: 'a boat [sim:moderation]', code: 'moderation_blocked' },
      hasNoFile: 'a boat [sim:no-file]',
      isRefused: 'a boat [sim:refused]',
      isThrottled: 'a boat [sim:429]',
      losesTheAnswer: 'a boat [sim:lost-answer]',
    },
    expectedBytes: (request) => fakeClip({ ...request, ...request.size }),
    secrets: [folder.dir],
    close: folder.remove,
  };
});

describe('simulator', () => {
  let clock: TestClock;
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => {
    clock = createTestClock();
    folder = temporaryFolder();
  });
  afterEach(() => folder.remove());

  function simulator(options: { faults?: FaultRates; speed?: number; seed?: number } = {}): Provider {
    return createSimulator({ clock, speed: 1, render: fakeRender, cacheDir: folder.dir, ...options });
  }

  function send(provider: Provider, prompt: string, context: Partial<SubmitContext> = {}) {
    const request = { prompt, seconds: 4, size: { width: 1280, height: 720 }, hasReference: false };
    const plan = provider.plan(request, SIMULATOR_MODEL);
    return provider.submit(plan, { idempotencyKey: 'key', signal, ...context });
  }

  it('throttles a tagged prompt twice, whatever the key, and starts afresh for the next job', async () => {
    const provider = simulator();
    for (const job of ['a', 'b']) {
      await expect(send(provider, '[sim:429]', { idempotencyKey: `${job}1` })).rejects.toThrow('too many');
      await expect(send(provider, '[sim:429]', { idempotencyKey: `${job}2` })).rejects.toThrow('too many');
      await expect(send(provider, '[sim:429]', { idempotencyKey: `${job}3` })).resolves.toBeTruthy();
    }
  });

  it('strikes by chance, the same way for the same seed', async () => {
    const luck = async (seed: number) => {
      const provider = simulator({ faults: { '429': 0.3, fail: 0.5 }, seed });
      const outcomes: string[] = [];
      for (let n = 0; n < 40; n += 1) {
        const sent = await send(provider, 'x', { idempotencyKey: `${n}` }).catch(() => undefined);
        outcomes.push(sent === undefined ? '429' : JSON.stringify((sent as { faults: unknown }).faults));
      }
      return outcomes;
    };
    const first = await luck(1);
    expect(await luck(1)).toEqual(first);
    expect(await luck(2)).not.toEqual(first);
    expect(new Set(first)).toEqual(new Set(['429', '[]', '["fail"]']));
  });

  it('keeps running what is stuck, and knows no progress for a status it does not understand', async () => {
    const provider = simulator();
    const stuck = await send(provider, '[sim:stuck]');
    const odd = await send(provider, '[sim:unknown-status]', { idempotencyKey: 'other' });
    clock.advance(3000);
    expect(await provider.poll(odd, { signal })).toEqual({ state: 'running', nextMs: 1000 });
    clock.advance(1000 * HOUR);
    expect(await provider.poll(stuck, { signal })).toMatchObject({ state: 'running', progress: 37 });
  });

  it('is done at once at speed 0', async () => {
    const provider = simulator({ speed: 0 });
    const operation = await send(provider, 'x');
    expect(await provider.poll(operation, { signal })).toEqual({ state: 'done', costMicros: 0, seconds: 4 });
  });

  it('says that a cancelled video is cancelled', async () => {
    const provider = simulator();
    const operation = await send(provider, 'x');
    expect(await provider.cancel?.(operation, { signal })).toBe('cancelled');
    expect(await provider.cancel?.(operation, { signal })).toBe('cancelled');
    clock.advance(HOUR);
    expect(await provider.poll(operation, { signal })).toMatchObject({ state: 'failed', code: 'cancelled' });
  });

  it('refuses to stop what cannot be stopped', async () => {
    const provider = simulator();
    const operation = await send(provider, '[sim:no-cancel]');
    await expect(provider.cancel?.(operation, { signal })).rejects.toMatchObject({ kind: 'rejected' });
  });

  it('breaks off downloads, and goes on where one of them was cut', async () => {
    const provider = simulator({ speed: 0 });
    for (const [tag, rest] of [
      ['cut', 'whole'],
      ['truncated', 'half'],
    ] as const) {
      const operation = await send(provider, `[sim:${tag}]`, { idempotencyKey: tag });
      const first = await provider.open(operation, 'video', 0, { signal });
      await expect(readAll(first.body)).rejects.toThrow('broke off');
      const half = Math.floor((first.totalBytes ?? 0) / 2);
      const second = await provider.open(operation, 'video', half, { signal });
      expect(second.offset).toBe(half);
      if (rest === 'half') await expect(readAll(second.body)).rejects.toThrow('broke off');
      else expect((await readAll(second.body)).length).toBe((first.totalBytes ?? 0) - half);
    }
  });

  it('gives a corrupt file of the right length', async () => {
    const provider = simulator({ speed: 0 });
    const operation = await send(provider, '[sim:corrupt]');
    const { body, totalBytes } = await provider.open(operation, 'video', 0, { signal });
    const bytes = await readAll(body);
    const clean = fakeClip({ prompt: '[sim:corrupt]', seconds: 4, width: 1280, height: 720 });
    expect(bytes.length).toBe(totalBytes);
    expect(bytes.length).toBe(clean.length);
    expect(bytes.equals(clean)).toBe(false);
  });

  it('does not know an operation that is not its own', async () => {
    await expect(simulator().poll({ id: 'x' }, { signal })).rejects.toMatchObject({ kind: 'gone' });
    await expect(simulator().poll(null, { signal })).rejects.toMatchObject({ kind: 'gone' });
  });

  it('has neither thumbnail nor spritesheet', async () => {
    const provider = simulator({ speed: 0 });
    const operation = await send(provider, 'x');
    await expect(provider.open(operation, 'thumbnail', 0, { signal })).rejects.toMatchObject({
      code: 'no_output',
    });
  });

  it('says `unavailable` when the clip cannot be rendered', async () => {
    const render = () => Promise.reject(new Error('no encoder'));
    const provider = createSimulator({ clock, speed: 0, render, cacheDir: folder.dir });
    const operation = await send(provider, 'x');
    await expect(provider.open(operation, 'video', 0, { signal })).rejects.toMatchObject({
      code: 'render_failed',
    });
  });
});
