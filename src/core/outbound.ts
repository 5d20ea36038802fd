import dns from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { Agent, type FormData, request } from 'undici';
import { isPublicAddress } from './addresses.ts';
import { errorText } from './errors.ts';

/**
 * How an outbound call went wrong.
 * - `not_sent`: the other side surely did not get the request (refused, unknown host, TLS, blocked here).
 * - `ambiguous`: it may have got it (time-out, reset, connection lost before an answer).
 */
export type OutboundFailure = 'not_sent' | 'ambiguous';

export class OutboundError extends Error {
  override readonly name = 'OutboundError';
  readonly failure: OutboundFailure;
  /** The system's or undici's error code, such as `ECONNREFUSED`; `blocked_address` when refused here. */
  readonly code: string;

  constructor(failure: OutboundFailure, code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
    this.code = code;
  }
}

export interface OutboundRequest {
  method?: 'GET' | 'POST' | 'DELETE' | 'PUT' | 'HEAD' | 'PATCH';
  headers?: Record<string, string>;
  body?: string | Buffer | FormData;
  /** Longest wait for the answer's headers, and longest silence within its body, in ms. */
  timeoutMs: number;
  signal?: AbortSignal;
  /**
   * `configured`: an address an operator wrote down; may be private.
   * `untrusted`: an address from a user or an upstream's answer: only public addresses, http(s) only,
   * checked inside the connection's own look-up and again for every redirect.
   */
  trust: 'configured' | 'untrusted';
  /** Redirects followed at the most (default 0). Headers named in `originHeaders` stay with their origin. */
  maxRedirects?: number;
  /** Headers (lower case) that are dropped when a redirect leaves the first origin: credentials. */
  originHeaders?: readonly string[];
}

export interface OutboundResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** Must be read to its end or destroyed. */
  body: Readable;
}

export type Outbound = (url: string, request: OutboundRequest) => Promise<OutboundResponse>;

const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_INVALID_URL',
  'blocked_address',
]);

/** Opens the only door to the outside. `allowPrivate` lifts the address guard for untrusted URLs. */
export function createOutbound(
  options: { allowPrivate?: boolean } = {},
): Outbound & { close(): Promise<void> } {
  const plain = new Agent({ connect: { timeout: 10_000 } });
  const guarded = new Agent({ connect: { timeout: 10_000, lookup: publicLookup } });

  async function once(url: URL, call: OutboundRequest, headers: Record<string, string>) {
    const guard = call.trust === 'untrusted' && options.allowPrivate !== true;
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw blocked(url, 'is not http or https');
    // A literal address never reaches the look-up.
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (guard && isIP(host) !== 0 && !isPublicAddress(host)) throw blocked(url, 'is not a public address');
    try {
      const response = await request(url, {
        dispatcher: guard ? guarded : plain,
        method: call.method ?? 'GET',
        headers,
        body: call.body ?? null,
        headersTimeout: call.timeoutMs,
        bodyTimeout: call.timeoutMs,
        signal: call.signal ?? null,
      });
      return { status: response.statusCode, headers: response.headers, body: response.body as Readable };
    } catch (error) {
      throw toOutboundError(error, url);
    }
  }

  async function outbound(address: string, call: OutboundRequest): Promise<OutboundResponse> {
    let url = parseUrl(address);
    let headers = call.headers ?? {};
    for (let hop = 0; ; hop += 1) {
      const response = await once(url, call, headers);
      const location = response.headers.location;
      if (![301, 302, 303, 307, 308].includes(response.status) || typeof location !== 'string')
        return response;
      if (hop >= (call.maxRedirects ?? 0)) return response;
      response.body.destroy();
      const next = parseUrl(new URL(location, url).href);
      if (next.origin !== url.origin) headers = without(headers, call.originHeaders ?? []);
      url = next;
    }
  }
  return Object.assign(outbound, {
    close: async () => void (await Promise.all([plain.destroy(), guarded.destroy()])),
  });
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch (error) {
    throw new OutboundError('not_sent', 'ERR_INVALID_URL', 'not a URL', error);
  }
}

function blocked(url: URL, why: string): OutboundError {
  return new OutboundError('not_sent', 'blocked_address', `${url.host} ${why}`);
}

function without(headers: Record<string, string>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name.toLowerCase())));
}

/** Resolves only when every address of the host is public, so that no second answer can slip through. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '');
    if (addresses.length === 0 || !addresses.every((entry) => isPublicAddress(entry.address))) {
      const refusal: NodeJS.ErrnoException = new Error(`${hostname} is not a public address`);
      refusal.code = 'blocked_address';
      return callback(refusal, '');
    }
    if (options.all) return callback(null, addresses);
    const [first] = addresses;
    return callback(null, first?.address ?? '', first?.family);
  });
};

function toOutboundError(error: unknown, url: URL): OutboundError {
  const code = String((error as { code?: unknown }).code ?? (error as Error).name);
  const tls = code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL') || code.includes('CERT');
  const failure = NOT_SENT.has(code) || tls ? 'not_sent' : 'ambiguous';
  return new OutboundError(failure, code, `${url.host}: ${errorText(error) || code}`, error);
}
