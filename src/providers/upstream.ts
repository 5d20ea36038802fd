import type { Readable } from 'node:stream';
import type { Clock } from '../core/clock.ts';
import {
  type Outbound,
  OutboundError,
  type OutboundRequest,
  type OutboundResponse,
} from '../core/outbound.ts';
import { ProviderError } from './provider.ts';
import { publicCode } from './redact.ts';

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
    throw new ProviderError('not_sent', 'aborted', 'The call was given up before it was sent.');
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
  const why = publicCode((error as { code?: unknown }).code) ?? 'no reason given';
  if (error instanceof OutboundError && error.failure === 'not_sent') {
    const message = `The upstream cannot be reached (${why}).`;
    return new ProviderError('unavailable', 'upstream_unreachable', message, { cause: error });
  }
  return ambiguous('connection_lost', `The connection to the upstream broke off (${why}).`, error);
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

/** Undefined when the text is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
