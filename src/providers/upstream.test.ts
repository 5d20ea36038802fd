import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { OutboundError } from '../core/outbound.ts';
import { createTestClock } from './testing.ts';
import { callUpstream, readCapped, type UpstreamAnswer } from './upstream.ts';
import { answerError, retryAfterMs, upstreamReason } from './upstream-error.ts';

function answer(status: number, json: unknown = {}, headers: UpstreamAnswer['headers'] = {}): UpstreamAnswer {
  return { status, headers, json, text: JSON.stringify(json) };
}

describe('answerError', () => {
  it.each([
    [401, 'unauthorized'],
    [402, 'unauthorized'],
    [403, 'unauthorized'],
    [429, 'throttled'],
    [400, 'rejected'],
    [404, 'rejected'],
    [413, 'rejected'],
    [422, 'rejected'],
    [408, 'ambiguous'],
    [409, 'ambiguous'],
    [425, 'ambiguous'],
    [500, 'ambiguous'],
    [502, 'ambiguous'],
    [503, 'ambiguous'],
    [504, 'ambiguous'],
    [301, 'rejected'],
    [307, 'rejected'],
    [308, 'rejected'],
    [302, 'ambiguous'],
    [303, 'ambiguous'],
  ])('a submit answered %i is %s', (status, kind) => {
    expect(answerError(answer(status), 'submit', { now: 0 })).toMatchObject({ kind, code: `http_${status}` });
  });

  it('a gateway’s page in answer to a submit says that there is no route just now', () => {
    const page = { status: 404, headers: {}, text: '<html><h1>404 Not Found</h1>', json: undefined };
    expect(answerError(page, 'submit', { now: 0 }).kind).toBe('unavailable');
  });

  it.each([
    [404, 'gone'],
    [410, 'gone'],
    [500, 'ambiguous'],
    [429, 'throttled'],
    [400, 'rejected'],
  ])('a read answered %i is %s', (status, kind) =>
    expect(answerError(answer(status, { detail: 'No.' }), 'read', { now: 0 }).kind).toBe(kind),
  );

  it.each([
    ['an HTML page', '<html><h1>404 Not Found</h1>nginx</html>', undefined],
    ['plain text', '404 page not found', undefined],
    ['nothing', '', undefined],
    ['an object without a reason', '{}', {}],
  ])('%s is no verdict of the API: a read knows nothing by it', (_what, text, json) => {
    for (const status of [400, 404, 405, 410, 422]) {
      const error = answerError({ status, headers: {}, text, json }, 'read', { now: 0 });
      expect([error.kind, error.named]).toEqual(['ambiguous', false]);
    }
  });

  it.each([
    [500, true],
    [404, true],
    [501, true],
    [502, false],
    [503, false],
    [504, false],
    [429, false],
    [401, false],
  ])('the reason beside %i is about this very thing: %s', (status, named) =>
    expect(answerError(answer(status, { detail: 'No.' }), 'read', { now: 0 }).named).toBe(named),
  );

  it('takes a key that LiteLLM cannot look up for one that is not accepted', () => {
    const refused = answer(400, { error: { type: 'no_db_connection', code: '400', message: 'No DB' } });
    for (const call of ['submit', 'read'] as const) {
      expect(answerError(refused, call, { now: 0 })).toMatchObject({
        kind: 'unauthorized',
        code: 'no_db_connection',
      });
    }
  });

  it('takes an empty account for what it is, whatever the status says', () => {
    const empty = answer(429, { error: { code: 'insufficient_quota', message: 'You exceeded your quota' } });
    expect(answerError(empty, 'submit', { now: 0 })).toMatchObject({
      kind: 'unauthorized',
      code: 'insufficient_quota',
    });
  });

  it('passes on how long to wait and what was said, without secrets', () => {
    const busy = answer(429, { error: { message: 'host-1 is busy' } }, { 'retry-after': '7' });
    const error = answerError(busy, 'submit', { now: 0, secrets: ['host-1'] });
    expect(error).toMatchObject({ retryAfterMs: 7000 });
    expect(error.message).toBe('The upstream answered 429: [redacted] is busy');
  });
});

describe('upstreamReason', () => {
  it.each([
    [{ error: { code: 'bad', message: 'No.' } }, 'bad', 'No.'],
    [{ error: { code: 42, type: 'invalid_request_error', message: 'No.' } }, 'invalid_request_error', 'No.'],
    [{ error: 'No.' }, undefined, 'No.'],
    [{ code: 'Bad', message: 'No.' }, 'bad', 'No.'],
    [{ detail: 'No.' }, undefined, 'No.'],
    [
      { detail: [{ loc: ['body', 'prompt'], msg: 'Field required' }] },
      undefined,
      'body.prompt: Field required',
    ],
    [{}, undefined, ''],
    [
      {
        error: {
          code: '400',
          type: 'invalid_request_error',
          message: `litellm.BadRequestError: OpenAIException - ${JSON.stringify({
            error: { message: 'Blocked.', code: 'moderation_blocked' },
          })}\n\nLiteLLM: model group 'sora-2' failed with the error above. No fallback was attempted.`,
        },
      },
      'moderation_blocked',
      'Blocked.',
    ],
    [
      {
        error: {
          code: '500',
          type: 'internal_server_error',
          message:
            "litellm.InternalServerError: InternalServerError: OpenAIException - Server disconnected\n\nLiteLLM: model group 'x' failed.",
        },
      },
      'internal_server_error',
      'Server disconnected',
    ],
  ])('%j', (json, code, message) => expect(upstreamReason({ json, text: '' })).toEqual({ code, message }));

  it('takes plain text, but not a page', () => {
    expect(upstreamReason({ json: undefined, text: 'No.' }).message).toBe('No.');
    expect(upstreamReason({ json: undefined, text: '<html>No.' }).message).toBe('');
  });
});

describe('retryAfterMs', () => {
  it.each([
    [{ 'retry-after': '3' }, 3000],
    [{ 'retry-after-ms': '250', 'retry-after': '3' }, 250],
    [{ 'retry-after': new Date(61_000).toUTCString() }, 60_000],
    [{ 'retry-after': '999999' }, 3_600_000],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('%j', (headers, wait) => expect(retryAfterMs(headers, 1000)).toBe(wait));
});

describe('callUpstream', () => {
  const request = { trust: 'configured' } as const;

  it('stops reading an answer without end', async () => {
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(100_000);
      })(),
    );
    await expect(readCapped(endless, 1_000_000)).rejects.toMatchObject({ code: 'answer_too_large' });
    expect(endless.destroyed).toBe(true);
  });

  it('does not wait beyond its time, even for a body that trickles', async () => {
    const clock = createTestClock();
    const outbound = (_url: string, { signal }: { signal?: AbortSignal }) => {
      const body = new Readable({ read() {} });
      signal?.addEventListener('abort', () => body.destroy(new Error('aborted')));
      queueMicrotask(() => clock.advance(1001));
      return Promise.resolve({ status: 200, headers: {}, body });
    };
    const call = callUpstream({ outbound, clock, timeoutMs: 1000 }, 'http://x.test', request);
    await expect(call).rejects.toMatchObject({ kind: 'ambiguous', code: 'timeout' });
  });

  it.each([
    ['not_sent', 'unavailable', 'upstream_unreachable'],
    ['ambiguous', 'ambiguous', 'connection_lost'],
  ] as const)('calls a failure that is %s %s, without the address', async (failure, kind, code) => {
    const outbound = () => Promise.reject(new OutboundError(failure, 'ESOMETHING', 'secret.host: oh'));
    const call = callUpstream(
      { outbound, clock: createTestClock(), timeoutMs: 1000 },
      'http://x.test',
      request,
    );
    await expect(call).rejects.toMatchObject({
      kind,
      code,
      message: expect.not.stringContaining('secret') as string,
    });
  });
});
