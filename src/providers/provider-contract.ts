import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ModelSpec } from './model.ts';
import {
  type Operation,
  type Plan,
  type PollResult,
  type Provider,
  ProviderError,
  type ProviderErrorKind,
  type VideoRequest,
} from './provider.ts';
import { readAll } from './testing.ts';

/** An adapter and what is behind it, made afresh for every test. */
export interface ProviderUnderTest {
  provider: Provider;
  /** The model to ask for. */
  model: ModelSpec;
  /** Moves the upstream's time on until all work under way has ended. */
  settle: () => void | Promise<void>;
  /** Words that lead to an outcome; leave out what cannot be provoked. */
  prompts: {
    succeeds: string;
    fails?: { prompt: string; code: string };
    hasNoFile?: string;
    isRefused?: string;
    isThrottled?: string;
    losesTheAnswer?: string;
  };
  /** The bytes of the finished video of a request. */
  expectedBytes?: (request: VideoRequest) => Buffer;
  /** How many videos the upstream has made so far, where that can be known. */
  created?: () => Promise<number>;
  /** Texts that must not appear in anything stored or shown: keys, addresses. */
  secrets: readonly string[];
  close: () => void | Promise<void>;
}

/** What every adapter promises, as a Vitest suite. `setup` is called before each test. */
export function describeProvider(name: string, setup: () => Promise<ProviderUnderTest>): void {
  describe(`${name} keeps the provider contract`, () => {
    let made: ProviderUnderTest;
    let keys = 0;
    const signal = new AbortController().signal;
    beforeEach(async () => void (made = await setup()));
    afterEach(() => made.close());

    function request(prompt: string): VideoRequest {
      const { defaultSeconds: seconds, defaultSize: size } = made.model;
      return { prompt, seconds, size, hasReference: false };
    }

    function planFor(prompt: string): Plan {
      return made.provider.plan(request(prompt), made.model);
    }

    function submit(plan: Plan, idempotencyKey = `key-${(keys += 1)}`): Promise<Operation> {
      return made.provider.submit(plan, { idempotencyKey, signal });
    }

    async function finished(prompt: string): Promise<{ operation: Operation; result: PollResult }> {
      const operation = await submit(planFor(prompt));
      await made.settle();
      return { operation, result: await made.provider.poll(operation, { signal }) };
    }

    it('offers models whose defaults fit them', async () => {
      const models = await made.provider.models({ signal });
      expect(models.length).toBeGreaterThan(0);
      expect(new Set(models.map((model) => model.id)).size).toBe(models.length);
      expect(models.map((model) => model.id)).toContain(made.model.id);
    });

    it('plans purely, in JSON', () => {
      const plan = planFor(made.prompts.succeeds);
      expect(planFor(made.prompts.succeeds)).toEqual(plan);
      expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
      expect(plan.seconds).toBe(made.model.defaultSeconds);
      expect(plan.size).toEqual(made.model.defaultSize);
      expect(JSON.stringify(plan.request)).toContain(made.prompts.succeeds);
      expectNoSecrets(plan);
    });

    it('gives an operation that survives JSON and a restart, and ends in a video', async () => {
      const plan = JSON.parse(JSON.stringify(planFor(made.prompts.succeeds))) as Plan;
      const operation = await submit(plan);
      const stored = JSON.parse(JSON.stringify(operation)) as Operation;
      expect(stored).toEqual(operation);
      expectNoSecrets(stored);
      const early = await made.provider.poll(stored, { signal });
      expect(['queued', 'running']).toContain(early.state);
      await made.settle();
      expect((await made.provider.poll(stored, { signal })).state).toBe('done');
    });

    it('gives the bytes of the video, from any offset', async () => {
      const { operation } = await finished(made.prompts.succeeds);
      const whole = await made.provider.open(operation, 'video', 0, { signal });
      const bytes = await readAll(whole.body);
      expect(whole.offset).toBe(0);
      expect(whole.totalBytes ?? bytes.length).toBe(bytes.length);
      expect(bytes.length).toBeGreaterThan(0);
      if (made.expectedBytes)
        expect(bytes.equals(made.expectedBytes(request(made.prompts.succeeds)))).toBe(true);

      const rest = await made.provider.open(operation, 'video', 100, { signal });
      expect([0, 100]).toContain(rest.offset);
      expect((await readAll(rest.body)).equals(bytes.subarray(rest.offset))).toBe(true);
    });

    it('says `gone` for an operation that nobody knows and for a file that does not exist', async () => {
      if (made.prompts.hasNoFile === undefined) return;
      const { operation, result } = await finished(made.prompts.hasNoFile);
      expect(result.state).toBe('done');
      const error = await failure(made.provider.open(operation, 'video', 0, { signal }), 'gone');
      expect(error.code).toBe('no_output');
    });

    it('tells why a video failed', async () => {
      if (!made.prompts.fails) return;
      const { result } = await finished(made.prompts.fails.prompt);
      expect(result).toMatchObject({ state: 'failed', code: made.prompts.fails.code });
      expect(result.state === 'failed' && result.message.length > 5).toBe(true);
      expectNoSecrets(result);
    });

    it('stops what is running, and not what is finished', async () => {
      if (!made.provider.cancel) return;
      const running = await submit(planFor(made.prompts.succeeds));
      expect(await made.provider.cancel(running, { signal })).toMatch(/^cancelled/);
      const { operation } = await finished(made.prompts.succeeds);
      expect(await made.provider.cancel(operation, { signal })).toBe('too_late');
      expect((await made.provider.poll(operation, { signal })).state).toBe('done');
    });

    it('makes of a finished video what its model says it can', async () => {
      const models = await made.provider.models({ signal });
      const model = models.find(({ id }) => id === made.model.id) ?? made.model;
      for (const kind of model.operations ?? []) {
        const { operation } = await finished(made.prompts.succeeds);
        const wanted = request(made.prompts.succeeds);
        const source = { kind, operation, seconds: wanted.seconds };
        const plan = made.provider.plan({ ...wanted, source }, model);
        expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
        expect(plan.seconds).toBe(kind === 'extend' ? 2 * wanted.seconds : wanted.seconds);
        expect(plan.quoteMicros).toBe(made.provider.plan(wanted, model).quoteMicros);
        expectNoSecrets(plan);
        const derived = await submit(plan);
        expect(idOf(derived)).not.toEqual(idOf(operation));
        await made.settle();
        expect((await made.provider.poll(derived, { signal })).state).toBe('done');
      }
    });

    it('answers many checks as it answers one', async () => {
      if (!made.provider.pollMany) return;
      const operations = [
        await submit(planFor(made.prompts.succeeds)),
        await submit(planFor(made.prompts.succeeds)),
      ];
      await made.settle();
      const states: string[] = [];
      let complete = false;
      for await (const page of made.provider.pollMany(operations, { signal })) {
        for (const { index, result } of page.results) states[index] = result.state;
        complete = page.complete;
      }
      expect(states).toEqual(['done', 'done']);
      expect(complete).toBe(true);
    });

    it('never makes two videos for one idempotency key', async () => {
      await made.provider.models({ signal });
      if (!made.provider.resubmitIsSafe) return;
      const plan = planFor(made.prompts.succeeds);
      const before = await made.created?.();
      const first = await submit(plan, 'the-same-key');
      const again = await Promise.all([submit(plan, 'the-same-key'), submit(plan, 'the-same-key')]);
      expect(again.map(idOf)).toEqual([idOf(first), idOf(first)]);
      if (before !== undefined) expect(await made.created?.()).toBe(before + 1);
    });

    it('refuses and throttles with the right kind of error', async () => {
      const { isRefused, isThrottled } = made.prompts;
      if (isRefused !== undefined) await failure(submit(planFor(isRefused)), 'rejected');
      if (isThrottled !== undefined) {
        const error = await failure(submit(planFor(isThrottled)), 'throttled');
        expect(error.retryAfterMs).toBeGreaterThan(0);
      }
    });

    it('calls a lost answer ambiguous, and gets it back by the same key or by looking', async () => {
      const { losesTheAnswer } = made.prompts;
      if (losesTheAnswer === undefined) return;
      await made.provider.models({ signal });
      const plan = planFor(losesTheAnswer);
      await failure(submit(plan, 'lost'), 'ambiguous');
      if (!made.provider.resubmitIsSafe) return;
      const operation = await submit(plan, 'lost');
      await made.settle();
      expect((await made.provider.poll(operation, { signal })).state).toBe('done');
    });

    it('does not send once the caller has given up', async () => {
      const before = await made.created?.();
      const given = AbortSignal.abort();
      const sending = made.provider.submit(planFor(made.prompts.succeeds), {
        idempotencyKey: 'late',
        signal: given,
      });
      await failure(sending, 'not_sent');
      expect(await made.created?.()).toBe(before);
    });

    async function failure(promise: Promise<unknown>, kind: ProviderErrorKind): Promise<ProviderError> {
      const error = await promise.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(ProviderError);
      const problem = error as ProviderError;
      expect(problem.kind).toBe(kind);
      expect(problem.code).toMatch(/^[a-z0-9_]+$/);
      expectNoSecrets({ message: problem.message, code: problem.code });
      return problem;
    }

    function expectNoSecrets(value: unknown): void {
      const text = JSON.stringify(value);
      for (const secret of made.secrets) expect(text).not.toContain(secret);
      expect(text).not.toMatch(/https?:\/\//);
    }
  });
}

function idOf(operation: Operation): unknown {
  return typeof operation === 'object' && operation !== null && !Array.isArray(operation)
    ? operation.id
    : operation;
}
