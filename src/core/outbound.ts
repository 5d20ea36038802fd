import dns from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { Agent, FormData, request } from 'undici';
import { isPublicAddress } from './addresses.ts';
import { OutboundError, toOutboundError } from './outbound-error.ts';

export { OutboundError };

/** A multipart body; the only kind that `OutboundRequest.body` takes. */
export { FormData };

export interface OutboundRequest {
  method?: 'GET' | 'POST' | 'DELETE' | 'PUT' | 'HEAD' | 'PATCH';
  headers?: Record<string, string>;
  body?: string | Buffer | FormData;
  /** Longest wait for the answer's headers, and longest silence within its body, in ms. */
  timeoutMs: number;
  signal?: AbortSignal;
  /**
   * `configured`: an address an operator wrote down; may be private. A redirect to another origin is untrusted.
   * `untrusted`: an address from a user or an upstream's answer: only public addresses, http(s) only,
   * checked inside the connection's own look-up and again for every redirect.
   */
  trust: 'configured' | 'untrusted';
  /** Redirects followed at the most (default 0), for GET and HEAD alone: others get the 3xx answer itself. */
  maxRedirects?: number;
  /** Headers (lower case) that are dropped when a redirect leaves the first origin: credentials. */
  originHeaders?: readonly string[];
  /**
   * Never reuses an idle connection. For calls that must not be repeated on a guess: the other side may close an idle
   * connection in the very moment a request is written to it, and then nobody knows whether it got through.
   */
  freshConnection?: boolean;
}

export interface OutboundResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** Must be read to its end or destroyed. It errors when the connection breaks off. */
  body: Readable;
}

export type Outbound = (url: string, request: OutboundRequest) => Promise<OutboundResponse>;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Opens the only door to the outside. `allowPrivate` lifts the address guard for untrusted URLs. */
export function createOutbound(
  options: {
    allowPrivate?: boolean;
    /** Asks for a host's addresses; the system's when left out. */ lookup?: Lookup;
  } = {},
): Outbound & { close(): Promise<void> } {
  const lookup = options.lookup ?? dns.lookup;
  const agents = new Map<string, Agent>();

  function agent(guard: boolean, fresh: boolean): Agent {
    const name = `${guard} ${fresh}`;
    let found = agents.get(name);
    if (!found) {
      const connect = { timeout: 10_000, lookup: guard ? publicLookup(lookup) : (lookup as LookupFunction) };
      found = new Agent({ connect, ...(fresh ? { pipelining: 0 } : {}) });
      agents.set(name, found);
    }
    return found;
  }

  async function once(url: URL, call: OutboundRequest, headers: Record<string, string>, trusted: boolean) {
    const guard = !trusted && options.allowPrivate !== true;
    if (url.protocol !== 'http:' && url.protocol !== 'https:') throw blocked(url, 'is not http or https');
    // A literal address never reaches the look-up.
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (guard && isIP(host) !== 0 && !isPublicAddress(host)) throw blocked(url, 'is not a public address');
    try {
      const response = await request(url, {
        dispatcher: agent(guard, call.freshConnection === true),
        method: call.method ?? 'GET',
        headers,
        body: call.body ?? null,
        headersTimeout: call.timeoutMs,
        bodyTimeout: call.timeoutMs,
        signal: call.signal ?? null,
      });
      // Destroying an unread body makes undici emit an error; who reads it still sees every error.
      const body = (response.body as Readable).on('error', () => {});
      return { status: response.statusCode, headers: response.headers, body };
    } catch (error) {
      throw toOutboundError(error, url);
    }
  }

  async function outbound(address: string, call: OutboundRequest): Promise<OutboundResponse> {
    const first = parseUrl(address);
    const follows = (call.method ?? 'GET') === 'GET' || call.method === 'HEAD';
    const redirects = follows ? (call.maxRedirects ?? 0) : 0;
    let [url, headers, trusted] = [first, call.headers ?? {}, call.trust === 'configured'];
    for (let hop = 0; ; hop += 1) {
      const response = await once(url, call, headers, trusted);
      const location = response.headers.location;
      if (hop >= redirects || !REDIRECTS.has(response.status) || typeof location !== 'string')
        return response;
      response.body.destroy();
      url = parseUrl(location, url);
      if (url.origin !== first.origin) {
        headers = without(headers, call.originHeaders ?? []);
        trusted = false;
      }
    }
  }
  return Object.assign(outbound, {
    close: async () => void (await Promise.all(Array.from(agents.values(), (each) => each.destroy()))),
  });
}

function parseUrl(text: string, base?: URL): URL {
  try {
    return new URL(text, base);
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

/** A host's addresses, as `dns.lookup` gives them. */
export type Lookup = (
  hostname: string,
  options: dns.LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: dns.LookupAddress[]) => void,
) => void;

/** Resolves only when every address of the host is public, so that no second answer can slip through. */
function publicLookup(lookup: Lookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
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
}
