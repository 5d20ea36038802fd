import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createOutbound, type Outbound } from '../../core/outbound.ts';
import { Secret } from '../../core/secret.ts';
import type { ModelSpec } from '../model.ts';
import type { Operation, Provider, SubmitContext } from '../provider.ts';
import { describeProvider } from '../provider-contract.ts';
import type { FaultRates } from '../simulator/faults.ts';
import { createSimulatorServer } from '../simulator/server.ts';
import { WIRE_DIALECTS, type WireDialectName } from '../simulator/wire.ts';
import {
  createTestClock,
  fakeClip,
  fakeRender,
  readAll,
  temporaryFolder,
  type TestClock,
} from '../testing.ts';
import { type DialectName, dialectNamed } from './dialects.ts';
import { modelNamed } from './models.ts';
import { createOpenAiVideos } from './openai-videos.ts';

const HOUR = 3_600_000;
const KEY = 'sk-test-0123456789';
const signal = new AbortController().signal;

interface Rig {
  provider: Provider;
  server: FastifyInstance;
  clock: TestClock;
  address: string;
  ledger: () => Promise<Record<string, unknown>>;
  /** Method and path of every call so far. */
  calls: string[];
  close: () => Promise<void>;
}

/** The adapter against the simulator's server on a real port. */
async function rig(
  wire: WireDialectName = 'default',
  dialect: DialectName = 'generic',
  faults: FaultRates = {},
): Promise<Rig> {
  const folder = temporaryFolder();
  const clock = createTestClock();
  const real = createOutbound();
  const calls: string[] = [];
  const outbound: Outbound = (url, request) => {
    calls.push(`${request.method ?? 'GET'} ${new URL(url).pathname}`);
    return real(url, request);
  };
  const server = await createSimulatorServer({
    clock,
    speed: 1,
    faults,
    render: fakeRender,
    cacheDir: folder.dir,
    apiKey: new Secret(KEY),
    dialect: WIRE_DIALECTS[wire],
  });
  const address = await server.listen({ port: 0, host: '127.0.0.1' });
  const options = {
    baseUrl: `${address}/v1/`,
    apiKey: new Secret(KEY),
    dialect: dialectNamed(dialect),
    outbound,
    clock,
  };
  return {
    provider: createOpenAiVideos(options),
    server,
    clock,
    address,
    calls,
    async ledger() {
      const answer = await server.inject({ url: '/ledger', headers: { authorization: `Bearer ${KEY}` } });
      return answer.json<Record<string, unknown>>();
    },
    async close() {
      await Promise.all([server.close(), real.close()]);
      folder.remove();
    },
  };
}

const boat = modelNamed('sora-2');

describeProvider('openai-videos against the simulator server', async () => {
  const { provider, clock, address, ledger, close } = await rig();
  const models = await provider.models({ signal });
  return {
    provider,
    model: models.find(({ id }) => id === 'simulator') as ModelSpec,
    settle: () => clock.advance(HOUR),
    prompts: {
      succeeds: 'a paper boat',
      fails: { prompt: 'a boat [sim:fail]', code: 'simulated_failure' },
      hasNoFile: 'a boat [sim:no-file]',
      isRefused: 'a boat [sim:refused]',
      isThrottled: 'a boat [sim:429]',
      losesTheAnswer: 'a boat [sim:lost-answer]',
    },
    expectedBytes: (request) => fakeClip({ ...request, ...request.size }),
    created: async () => Number((await ledger()).created),
    secrets: [KEY, new URL(address).host],
    close,
  };
});

describe('openai-videos', () => {
  let open: Rig;
  beforeEach(async () => void (open = await rig()));
  afterEach(() => open.close());

  function send(rig: Rig, prompt: string, context: Partial<SubmitContext> = {}): Promise<Operation> {
    const request = { prompt, seconds: 4, size: { width: 1280, height: 720 }, hasReference: false };
    return rig.provider.submit(rig.provider.plan(request, boat), {
      idempotencyKey: 'key',
      signal,
      ...context,
    });
  }

  it('learns models, and what the server promises', async () => {
    expect(open.provider.resubmitIsSafe).toBe(false);
    const models = await open.provider.models({ signal });
    expect(models.map(({ id }) => id)).toEqual(['simulator', 'sora-2', 'sora-2-pro']);
    expect(models[0]).toMatchObject({
      seconds: { min: 1, max: 60 },
      defaultSize: { width: 1280, height: 720 },
    });
    expect(models[2]?.sizes).toContainEqual({ width: 1920, height: 1080 });
    expect(models[1]?.pricePerSecondMicros).toBe(0);
    expect(open.provider.resubmitIsSafe).toBe(true);
  });

  it('passes the reference image on', async () => {
    const png = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(50_000, 7)]);
    await send(open, 'x', { reference: { data: png, contentType: 'image/png' } });
    expect((await open.ledger()).creations).toMatchObject([
      { reference: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
    ]);
  });

  it('learns that a server takes forms only: the refusal asks for another call, and is not met again', async () => {
    const forms = await rig('vllm-omni');
    await expect(send(forms, 'a', { idempotencyKey: 'a' })).rejects.toMatchObject({
      kind: 'rejected',
      askAgain: true,
    });
    await send(forms, 'a', { idempotencyKey: 'a' });
    await send(forms, 'b', { idempotencyKey: 'b' });
    expect(await forms.ledger()).toMatchObject({ created: 2 });
    expect(forms.calls).toHaveLength(3);
    await forms.close();
  });

  it('sends nothing once the time for it is over', async () => {
    const late = send(open, 'a', { mayStillSend: () => false });
    await expect(late).rejects.toMatchObject({ kind: 'not_sent' });
    expect(await open.ledger()).toMatchObject({ created: 0 });
  });

  it('lists a submission whose answer was lost, and learns whether the list is complete', async () => {
    const openai = await rig('openai', 'openai');
    await expect(send(openai, '[sim:lost-answer]')).rejects.toMatchObject({ kind: 'ambiguous' });
    const { provider } = openai;
    const size = { width: 1280, height: 720 };
    const plan = provider.plan({ prompt: '[sim:lost-answer]', seconds: 4, size, hasReference: false }, boat);
    const fits = [];
    for await (const { videos } of provider.list?.({ signal }) ?? []) {
      fits.push(...videos.map((video) => video.fits(plan)));
    }
    expect(fits).toEqual(['match']);
    await openai.close();
    expect(open.provider.listIsComplete).toBe(false);
    await open.provider.models({ signal });
    expect(open.provider.listIsComplete).toBe(true);
    expect(open.provider.keyLifetimeMs).toBe(24 * HOUR);
  });

  it('goes on from the middle of a download that broke off', async () => {
    const operation = await send(open, 'x [sim:cut]');
    open.clock.advance(HOUR);
    const first = await open.provider.open(operation, 'video', 0, { signal });
    await expect(readAll(first.body)).rejects.toThrow();
    const whole = first.totalBytes ?? 0;
    const second = await open.provider.open(operation, 'video', 1000, { signal });
    expect(second).toMatchObject({ offset: 1000, totalBytes: whole });
    expect((await readAll(second.body)).length).toBe(whole - 1000);
    const beyond = await open.provider.open(operation, 'video', whole + 5, { signal });
    expect(beyond.offset).toBe(0);
    beyond.body.destroy();
  });

  async function walk(operations: Operation[]): Promise<(string | undefined)[]> {
    const states: (string | undefined)[] = operations.map(() => undefined);
    for await (const { results } of open.provider.pollMany?.(operations, { signal }) ?? []) {
      for (const { index, result } of results) states[index] = result.state;
    }
    return states;
  }

  it('reads a page of many at once', async () => {
    await open.provider.models({ signal });
    const operations: Operation[] = [];
    for (let n = 0; n < 120; n += 1) operations.push(await send(open, `x${n}`, { idempotencyKey: `${n}` }));
    open.clock.advance(HOUR);
    const states = await walk([...operations, { id: 'unknown' }]);
    expect(states).toEqual([...operations.map(() => 'done'), undefined]);
  });

  it('reads a long list in parts, and from its top when the video where a part begins is gone', async () => {
    await open.provider.models({ signal });
    const headers = { authorization: `Bearer ${KEY}` };
    const operations: { id: string }[] = [];
    for (let n = 0; n < 1100; n += 1) {
      const payload = { prompt: `x${n}`, seconds: '4' };
      const made = await open.server.inject({ method: 'POST', url: '/v1/videos', headers, payload });
      operations.unshift({ id: (made.json() as { id: string }).id });
    }
    open.clock.advance(HOUR);
    expect(await walk(operations)).toEqual(operations.map(() => 'done'));
    // The second of three parts begins after it.
    const gone = 366;
    await open.server.inject({ method: 'DELETE', url: `/v1/videos/${operations[gone]?.id}`, headers });
    expect(await walk(operations)).toEqual(
      operations.map((_, index) => (index === gone ? undefined : 'done')),
    );
  });

  it('has no list where none is promised', async () => {
    const bare = await rig('openai', 'litellm');
    await bare.provider.models({ signal });
    expect(bare.provider.pollMany).toBeUndefined();
    await bare.close();
  });

  it('gives up on an upstream that is silent, and does not know what came of it', async () => {
    const { server, clock, address } = open;
    const outbound = createOutbound();
    const silent: typeof outbound = Object.assign(
      (url: string, request: Parameters<typeof outbound>[1]) => {
        clock.advance(20_000);
        return outbound(url, request);
      },
      { close: outbound.close },
    );
    const provider = createOpenAiVideos({ baseUrl: address, outbound: silent, clock, timeoutMs: 10_000 });
    const plan = provider.plan(
      { prompt: 'x', seconds: 4, size: { width: 1280, height: 720 }, hasReference: false },
      boat,
    );
    await expect(provider.submit(plan, { idempotencyKey: 'k', signal })).rejects.toMatchObject({
      kind: 'ambiguous',
      code: 'timeout',
    });
    await outbound.close();
    expect(server.server.listening).toBe(true);
  });

  it('offers Sora when the server cannot be asked, and says `unavailable` when it is not there', async () => {
    await open.server.close();
    expect((await open.provider.models({ signal })).map(({ id }) => id)).toEqual(['sora-2', 'sora-2-pro']);
    await expect(send(open, 'x')).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'upstream_unreachable',
    });
  });

  it.each([
    ['500', 'ambiguous'],
    ['500-accepted', 'ambiguous'],
    ['429', 'throttled'],
    ['refused', 'rejected'],
  ])('calls %s %s', async (tag, kind) => {
    await expect(send(open, `[sim:${tag}]`)).rejects.toMatchObject({ kind });
  });

  it('says `unauthorized` for a wrong key, without showing it', async () => {
    const outbound = createOutbound();
    const provider = createOpenAiVideos({
      baseUrl: open.address,
      apiKey: new Secret('wrong-key'),
      outbound,
      clock: open.clock,
    });
    const plan = provider.plan(
      { prompt: 'x', seconds: 4, size: { width: 1280, height: 720 }, hasReference: false },
      boat,
    );
    await expect(provider.submit(plan, { idempotencyKey: 'k', signal })).rejects.toMatchObject({
      kind: 'unauthorized',
      code: 'invalid_api_key',
      message: 'The upstream answered 401: Incorrect API key provided.',
    });
    await outbound.close();
  });

  it('keeps a forgotten video apart from one that cannot be asked about', async () => {
    const forgotten = await send(open, '[sim:forgotten]', { idempotencyKey: 'a' });
    const shaky = await send(open, '[sim:poll-500]', { idempotencyKey: 'b' });
    open.clock.advance(11_500);
    await expect(open.provider.poll(shaky, { signal })).rejects.toMatchObject({ kind: 'ambiguous' });
    open.clock.advance(HOUR);
    await expect(open.provider.poll(forgotten, { signal })).rejects.toMatchObject({ kind: 'gone' });
    expect(await open.provider.poll(shaky, { signal })).toMatchObject({ state: 'done' });
  });

  it('does not delete what it cannot stop', async () => {
    const operation = await send(open, 'x');
    await expect(open.provider.cancel?.(operation, { signal })).rejects.toMatchObject({
      code: 'cancel_unsupported',
    });
    await open.provider.models({ signal });
    expect(await open.provider.cancel?.(operation, { signal })).toBe('cancelled');
    expect(await open.ledger()).toMatchObject({ stopped: 1 });
  });
});
