import type { Outbound } from '../core/outbound.ts';

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 1_000_000;

export interface IssuerRequest {
  url: string;
  /** Sent with POST. */
  form?: URLSearchParams;
  headers?: Record<string, string>;
}

/** The JSON that a sign-in provider answers with. Rejects on anything but 200. */
export async function askIssuer(outbound: Outbound, { url, form, headers }: IssuerRequest): Promise<unknown> {
  const response = await outbound(url, {
    trust: 'configured',
    timeoutMs: TIMEOUT_MS,
    method: form ? 'POST' : 'GET',
    headers: {
      accept: 'application/json',
      ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      ...headers,
    },
    ...(form ? { body: form.toString() } : {}),
  });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error('the issuer answered with too much');
    chunks.push(chunk);
  }
  if (response.status !== 200) throw new Error(`the issuer answered ${response.status}`);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
}

/** Where the browser is sent to sign in, with the challenge (RFC 7636) that only this server can answer. */
export async function authorizationUrl(
  endpoint: string,
  { codeVerifier, ...query }: Record<string, string | undefined> & { codeVerifier: string },
): Promise<URL> {
  const url = new URL(endpoint);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(codeVerifier));
  const all = {
    response_type: 'code',
    ...query,
    code_challenge: Buffer.from(digest).toString('base64url'),
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(all)) if (value !== undefined) url.searchParams.set(name, value);
  return url;
}
