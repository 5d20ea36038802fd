import type { Readable } from 'node:stream';
import type { Clock } from '../core/clock.ts';
import { asObject } from '../core/json.ts';
import {
  type Outbound,
  OutboundError,
  type OutboundRequest,
  type OutboundResponse,
} from '../core/outbound.ts';
import { ProviderError, type ProviderErrorKind } from './provider.ts';
import { publicCode, publicText } from './redact.ts';

/** An answer of a JSON API, read to its end. */
export interface UpstreamAnswer {
  status: number;
  headers: OutboundResponse['headers'];
  text: string;
  /** Undefined when the text is no JSON. */
  json: unknown;
}

export interface UpstreamParts {
  outbound: Outbound;
  clock: Clock;
  /** Longest wait for the whole answer (for a stream: for its beginning), in ms. */
  timeoutMs: number;
}

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** One call that gives JSON. Resolves with whatever status came; throws a `ProviderError` when no answer did. */
export async function callUpstream(
  parts: UpstreamParts,
  url: string,
  request: Omit<OutboundRequest, 'timeoutMs'>,
): Promise<UpstreamAnswer> {
  return await withDeadline(parts, request.signal, async (signal) => {
    const { status, headers, body } = await parts.outbound(url, {
      ...request,
      timeoutMs: parts.timeoutMs,
      signal,
    });
    const text = (await readCapped(body, MAX_ANSWER_BYTES)).toString('utf8');
    return { status, headers, text, json: parseJson(text) };
  });
}

/** As above for an answer whose body is streamed: the deadline ends with its headers. */
export async function openUpstream(
  parts: UpstreamParts,
  url: string,
  request: Omit<OutboundRequest, 'timeoutMs'>,
): Promise<OutboundResponse> {
  return await withDeadline(parts, request.signal, (signal) =>
    parts.outbound(url, { ...request, timeoutMs: parts.timeoutMs, signal }),
  );
}

async function withDeadline<T>(
  parts: UpstreamParts,
  given: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (given?.aborted)
    throw new ProviderError('unavailable', 'aborted', 'The call was given up before it was sent.');
  const deadline = new AbortController();
  const cancel = parts.clock.after(parts.timeoutMs, () => deadline.abort());
  try {
    return await work(given ? AbortSignal.any([given, deadline.signal]) : deadline.signal);
  } catch (error) {
    if (deadline.signal.aborted) throw ambiguous('timeout', 'The upstream took too long to answer.', error);
    if (given?.aborted) throw ambiguous('aborted', 'The call was given up.', error);
    throw transportError(error);
  } finally {
    cancel();
  }
}

function ambiguous(code: string, message: string, cause: unknown): ProviderError {
  return new ProviderError('ambiguous', code, message, { cause });
}

function transportError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  const code = publicCode((error as { code?: unknown }).code) ?? 'connection_failed';
  if (error instanceof OutboundError && error.failure === 'not_sent') {
    return new ProviderError('unavailable', code, `The upstream cannot be reached (${code}).`, {
      cause: error,
    });
  }
  return ambiguous(code, `The connection to the upstream broke off (${code}).`, error);
}

/** A body as bytes; rejects, and stops reading, when it is longer than `maxBytes`. */
export async function readCapped(body: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    const bytes = Buffer.from(chunk as Uint8Array);
    length += bytes.length;
    if (length > maxBytes)
      throw ambiguous('answer_too_large', 'The upstream answered with too much.', undefined);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * What an answer that is not a success means. `submit`: the paid call, where only a clear no counts as one;
 * `read`: a call that may be repeated at will. `secrets` never appear in the message.
 */
export function answerError(
  answer: UpstreamAnswer,
  call: 'submit' | 'read',
  options: { now: number; secrets?: readonly string[] },
): ProviderError {
  const { code, message } = upstreamReason(answer);
  const kind = kindOf(answer.status, code, call);
  const said = message === '' ? '' : `: ${publicText(message, options.secrets)}`;
  return new ProviderError(
    kind,
    code ?? `http_${answer.status}`,
    `The upstream answered ${answer.status}${said}`,
    {
      retryAfterMs: retryAfterMs(answer.headers, options.now),
    },
  );
}

/** Refusals that are about our account rather than about the request or the moment. */
const ACCOUNT = /insufficient_(quota|credits|balance|funds)|billing|quota_exceeded|payment/;

function kindOf(status: number, code: string | undefined, call: 'submit' | 'read'): ProviderErrorKind {
  if (status === 401 || status === 403 || status === 402) return 'unauthorized';
  if (status === 429) return ACCOUNT.test(code ?? '') ? 'unauthorized' : 'throttled';
  if (status >= 500 || status === 408 || status === 409 || status === 425) return 'ambiguous';
  if (call === 'read' && (status === 404 || status === 410)) return 'gone';
  if (status >= 400) return 'rejected';
  // A redirect that keeps the method has not taken the request; others may stand for "done, look there".
  return status === 301 || status === 307 || status === 308 ? 'rejected' : 'ambiguous';
}

/** The code and the words of an error answer, in any of the shapes servers use. */
export function upstreamReason(answer: Pick<UpstreamAnswer, 'json' | 'text'>): {
  code: string | undefined;
  message: string;
} {
  const body = asObject(answer.json);
  if (!body)
    return { code: undefined, message: answer.text.startsWith('<') ? '' : answer.text.slice(0, 1000) };
  const error = asObject(body.error);
  const code = publicCode(error?.code) ?? publicCode(body.code) ?? publicCode(error?.type);
  const candidates = [error?.message, body.error, body.message, body.detail, body.msg, body.title];
  const message = candidates.find((value): value is string => typeof value === 'string' && value !== '');
  return { code, message: message ?? validationText(body.detail) };
}

/** FastAPI's list of what is wrong: `[{loc: ['body', 'prompt'], msg: 'Field required'}]`. */
function validationText(detail: unknown): string {
  if (!Array.isArray(detail)) return '';
  const lines = detail.map((entry: unknown) => {
    const { loc, msg } = asObject(entry) ?? {};
    return `${Array.isArray(loc) ? loc.join('.') : ''}: ${typeof msg === 'string' ? msg : ''}`;
  });
  return lines.join('; ');
}

/** `Retry-After-Ms` and `Retry-After` (seconds or a date) in ms, at most an hour. */
export function retryAfterMs(headers: OutboundResponse['headers'], now: number): number | undefined {
  const inMs = Number(headers['retry-after-ms'] ?? Number.NaN);
  const text = String(headers['retry-after'] ?? '');
  const seconds = text === '' ? Number.NaN : Number(text);
  const waits = [inMs, seconds * 1000, Date.parse(text) - now];
  const wait = waits.find((each) => Number.isFinite(each) && each >= 0);
  return wait === undefined ? undefined : Math.min(Math.round(wait), 3_600_000);
}
