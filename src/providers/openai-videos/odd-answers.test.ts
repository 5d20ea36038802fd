import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Outbound, OutboundRequest } from '../../core/outbound.ts';
import { createTestClock, readAll } from '../testing.ts';
import { type DialectName, dialectNamed } from './dialects.ts';
import { modelNamed } from './models.ts';
import { createOpenAiVideos } from './openai-videos.ts';

const signal = new AbortController().signal;
const operation = { id: 'v1' };

interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
}

/** An adapter whose server gives these answers in order, and what it was sent. */
function upstream(dialect: DialectName, ...answers: Answer[]) {
  const sent: OutboundRequest[] = [];
  const outbound: Outbound = (_url, request) => {
    sent.push(request);
    const { status = 200, headers = {}, body = '' } = answers.shift() ?? {};
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return Promise.resolve({ status, headers, body: Readable.from([Buffer.from(text)]) });
  };
  const clock = createTestClock();
  const options = { baseUrl: 'http://up.test', dialect: dialectNamed(dialect), outbound, clock };
  return { provider: createOpenAiVideos(options), sent };
}

const PAGE = '<html><h1>404 Not Found</h1>nginx</html>';
const failed = { id: 'v1', status: 'failed', error: { code: 500, message: 'CUDA out of memory' } };
const file = (headers: Record<string, string> = {}, status = 200): Answer => ({
  status,
  headers: { 'content-type': 'video/mp4', ...headers },
  body: 'bytes',
});

describe('the failure of a video', () => {
  it.each([500, 400, 404, 503])('is read from the body of an answer with status %i', async (status) => {
    const { provider } = upstream('generic', { status, body: failed });
    expect(await provider.poll(operation, { signal })).toMatchObject({
      state: 'failed',
      code: 'error_500',
      message: 'CUDA out of memory',
      retryable: true,
    });
  });

  it.each([
    ['another video', { ...failed, id: 'v2' }],
    ['a video that has not failed', { id: 'v1', status: 'in_progress' }],
    ['an error', { error: { message: 'oh' } }],
  ])('is not read from a 500 with %s', async (_what, body) => {
    const { provider } = upstream('generic', { status: 500, body });
    await expect(provider.poll(operation, { signal })).rejects.toMatchObject({ kind: 'ambiguous' });
  });
});

describe('a video that cannot be found', () => {
  it('is gone by a word of the API, never by a page of a gateway', async () => {
    const told = upstream('generic', { status: 404, body: { detail: 'Video not found' } });
    await expect(told.provider.poll(operation, { signal })).rejects.toMatchObject({ kind: 'gone' });
    const page = upstream('generic', { status: 404, body: PAGE });
    await expect(page.provider.poll(operation, { signal })).rejects.toMatchObject({ kind: 'ambiguous' });
  });
});

describe('stopping', () => {
  const running = { body: { id: 'v1', status: 'in_progress' } };

  it.each([
    ['completed', 200],
    ['failed', 500],
  ])('comes too late for a video that its own answer shows as %s', async (status, code) => {
    const { provider } = upstream('vllm-omni', running, { status: code, body: { id: 'v1', status } });
    expect(await provider.cancel?.(operation, { signal })).toBe('too_late');
  });
});

describe('the paid call', () => {
  const plan = (provider: ReturnType<typeof upstream>['provider']) =>
    provider.plan(
      { prompt: 'x', seconds: 4, size: { width: 1280, height: 720 }, hasReference: false },
      modelNamed('sora-2'),
    );

  it.each(['litellm', 'generic'] as const)('tells LiteLLM not to repeat it (%s)', async (dialect) => {
    const { provider, sent } = upstream(dialect, { body: { id: 'v1', status: 'queued' } });
    await provider.submit(plan(provider), { idempotencyKey: 'k', signal });
    expect(sent[0]?.headers).toMatchObject({ 'x-litellm-num-retries': '0' });
  });

  it('is refused by a 409 of vLLM-Omni, and in doubt after a 409 of anything else', async () => {
    const conflict = { status: 409, body: { detail: 'Several API processes' } };
    const submit = async (dialect: DialectName, answer: Answer) => {
      const { provider } = upstream(dialect, answer);
      await provider.submit(plan(provider), { idempotencyKey: 'k', signal });
    };
    await expect(submit('vllm-omni', conflict)).rejects.toMatchObject({ kind: 'rejected' });
    await expect(submit('generic', conflict)).rejects.toMatchObject({ kind: 'ambiguous' });
    await expect(submit('vllm-omni', { ...conflict, body: PAGE })).rejects.toMatchObject({
      kind: 'ambiguous',
    });
  });
});

describe('the file', () => {
  it.each([400, 404, 405, 410, 422, 501])('is missing when the API says so with %i', async (status) => {
    const { provider } = upstream(
      'generic',
      { status, body: { detail: 'Not yet' } },
      { body: { id: 'v1', status: 'completed' } },
    );
    await expect(provider.open(operation, 'video', 0, { signal })).rejects.toMatchObject({
      code: 'no_output',
    });
  });

  it.each([404, 200, 502])('is not missing because of a gateway page with %i', async (status) => {
    const page = { status, headers: { 'content-type': 'text/html' }, body: PAGE };
    const { provider } = upstream('generic', page, { body: { id: 'v1', status: 'completed' } });
    await expect(provider.open(operation, 'video', 0, { signal })).rejects.toMatchObject({
      kind: 'ambiguous',
      named: false,
    });
  });

  it('that cannot be given is told of in the words of the upstream', async () => {
    const { provider } = upstream('generic', {
      status: 500,
      body: { error: { message: 'No response data' } },
    });
    await expect(provider.open(operation, 'video', 0, { signal })).rejects.toMatchObject({
      named: true,
      message: 'The upstream answered 500: No response data',
    });
  });

  it('is asked for from where it broke off, if it is still the same one', async () => {
    const { provider, sent } = upstream(
      'generic',
      file({ 'content-range': 'bytes 5-9/10', etag: '"a"' }, 206),
    );
    const output = await provider.open(operation, 'video', 5, { signal, ifRange: '"a"' });
    expect(output).toMatchObject({ offset: 5, totalBytes: 10, etag: '"a"' });
    expect(sent[0]?.headers).toMatchObject({ range: 'bytes=5-', 'if-range': '"a"' });
  });

  it.each([
    ['does not say which part it sends', file({}, 206)],
    ['sends another part than the one asked for', file({ 'content-range': 'bytes 3-9/10' }, 206)],
    ['has no such part', { status: 416 }],
  ])('is asked for again from its beginning when the upstream %s', async (_what, answer) => {
    const { provider, sent } = upstream('generic', answer, file({ 'content-length': '5' }));
    const output = await provider.open(operation, 'video', 5, { signal });
    expect(output).toMatchObject({ offset: 0, totalBytes: 5 });
    expect((await readAll(output.body)).toString()).toBe('bytes');
    expect(sent[1]?.headers).not.toHaveProperty('range');
  });

  it('may take ten minutes to begin: gateways read it to its end before they pass it on', async () => {
    const { provider, sent } = upstream('generic', file());
    await provider.open(operation, 'video', 0, { signal });
    expect(sent[0]?.timeoutMs).toBe(600_000);
  });
});
