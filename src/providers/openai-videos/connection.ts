import type { Clock } from '../../core/clock.ts';
import { asObject } from '../../core/json.ts';
import type { Outbound, OutboundResponse } from '../../core/outbound.ts';
import type { Secret } from '../../core/secret.ts';
import { type OpenContext, type Operation, ProviderError, type SubmitContext } from '../provider.ts';
import { callUpstream, openUpstream, type UpstreamAnswer } from '../upstream.ts';
import { answerError } from '../upstream-error.ts';
import { operationId, readAnswer, stateOf, type VideoAnswer } from './answer.ts';
import type { CreateCall } from './create-call.ts';
import type { Dialect } from './dialects.ts';
import type { Promises } from './learned-models.ts';
import type { ConfiguredModel } from './models.ts';

/** Gateways that read a whole file before they pass it on say nothing for as long as that takes, in ms. */
const FILE_TIMEOUT_MS = 600_000;

export interface OpenAiVideosOptions {
  /** With or without `/v1` at its end. */
  baseUrl: string;
  apiKey?: Secret | undefined;
  /** What to offer; left out: what the server's `/v1/models` says, else Sora's. */
  models?: readonly (string | ConfiguredModel)[] | undefined;
  dialect?: Dialect | undefined;
  /** Longest wait for an answer, in ms (30 s); files have a time of their own. */
  timeoutMs?: number | undefined;
  /** Origins besides the server's own where its result files may lie although they are private addresses. */
  trustedOrigins?: readonly string[];
  outbound: Outbound;
  clock: Clock;
}

/** One server: its address, its key, and what it promised. Used by every call of the adapter. */
export interface ServerConnection {
  readonly dialect: Dialect;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Texts that must never be shown. */
  readonly secrets: readonly string[];
  promises: Promises | undefined;
  /** A JSON call under `/v1`; answers of every status. Throws `ProviderError` when there was none. */
  call(method: 'GET' | 'DELETE', path: string, signal: AbortSignal): Promise<UpstreamAnswer>;
  /** The paid call, to `call.path`; never sent over a connection that may be dying. */
  create(call: CreateCall, context: SubmitContext): Promise<UpstreamAnswer>;
  /** The video object of an operation. Throws `gone` when the server does not know it. */
  retrieve(
    operation: Operation,
    signal: AbortSignal,
  ): Promise<{ video: VideoAnswer; answer: UpstreamAnswer }>;
  /** Opens a file: a path under `/v1`, or an address from an answer, which gets the key only on the server's origin. */
  open(address: string, offset: number, context: OpenContext): Promise<OutboundResponse>;
  failure(answer: UpstreamAnswer, call: 'submit' | 'read'): ProviderError;
}

export function connectServer(options: OpenAiVideosOptions & { dialect: Dialect }): ServerConnection {
  const { clock, outbound, dialect } = options;
  const base = apiBase(options.baseUrl);
  const { origin, host } = new URL(base);
  const trusted = new Set([origin, ...(options.trustedOrigins ?? [])]);
  const timeoutMs = options.timeoutMs ?? 30_000;
  const parts = { outbound, clock, timeoutMs };
  const secrets = [options.apiKey?.reveal() ?? '', host];
  const keyHeaders = (): Record<string, string> =>
    options.apiKey ? { authorization: `Bearer ${options.apiKey.reveal()}` } : {};

  const connection: ServerConnection = {
    dialect,
    clock,
    timeoutMs,
    secrets,
    promises: undefined,

    call: (method, path, signal) =>
      callUpstream(parts, `${base}${path}`, {
        method,
        headers: { accept: 'application/json', ...keyHeaders() },
        signal,
        trust: 'configured',
      }),

    async create({ path, headers, body }, { idempotencyKey, mayStillSend, signal }) {
      if (mayStillSend?.() === false) {
        throw new ProviderError('not_sent', 'not_sent_in_time', 'The process was held up before the call.');
      }
      return callUpstream(parts, `${base}${path}`, {
        method: 'POST',
        headers: {
          accept: 'application/json',
          'idempotency-key': idempotencyKey,
          // LiteLLM, which any address may lead to, would else send a call again whose answer was lost, without the key.
          'x-litellm-num-retries': '0',
          ...headers,
          ...keyHeaders(),
        },
        body,
        signal,
        trust: 'configured',
        freshConnection: true,
      });
    },

    async retrieve(operation, signal) {
      const answer = await connection.call(
        'GET',
        `/videos/${encodeURIComponent(operationId(operation))}`,
        signal,
      );
      const video = readAnswer(answer.json);
      if (answer.status < 200 || answer.status > 299) {
        // Some answer for a failed video with the status of its failure; the video itself is the body all the same.
        const isIt = video?.id === operationId(operation) && stateOf(video) === 'failed';
        if (video && isIt) return { video, answer };
        throw connection.failure(answer, 'read');
      }
      if (video && (video.status !== '' || video.id !== undefined)) return { video, answer };
      throw new ProviderError(
        'ambiguous',
        'unreadable_answer',
        'The upstream answered something that is no video.',
      );
    },

    open(address, offset, { signal, ifRange }) {
      const url = new URL(address.startsWith('/videos/') ? `${base}${address}` : address, `${origin}/`);
      const own = url.origin === origin;
      return openUpstream({ ...parts, timeoutMs: FILE_TIMEOUT_MS }, url.href, {
        headers: {
          accept: 'video/mp4, application/octet-stream, */*',
          ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
          ...(offset > 0 && ifRange !== undefined ? { 'if-range': ifRange } : {}),
          ...(own ? keyHeaders() : {}),
        },
        signal,
        trust: trusted.has(url.origin) ? 'configured' : 'untrusted',
        maxRedirects: 3,
        originHeaders: ['authorization'],
      });
    },

    failure(answer, call) {
      const error = answerError(answer, call, { now: clock.now(), secrets });
      const isRefusal =
        call === 'submit' && error.kind === 'ambiguous' && asObject(answer.json) !== undefined;
      if (!isRefusal || !dialect.refusals.includes(answer.status)) return error;
      return new ProviderError('rejected', error.code, error.message, { named: true });
    },
  };
  return connection;
}

/** `https://host/some/path/v1` for a base address with or without a version at its end. */
export function apiBase(baseUrl: string): string {
  const url = new URL(baseUrl);
  const path = url.pathname.replace(/\/+$/, '');
  return `${url.origin}${/\/v\d+$/.test(path) ? path : `${path}/v1`}`;
}
