import { setTimeout as pause } from 'node:timers/promises';
import OpenAI from 'openai';
import type { Asked } from './ask.ts';
import { API_KEY } from './product.ts';

/** Where the product serves right now; empty while it is down. */
export type Addresses = () => string[];

const TIMEOUT_MS = 8000;
const RETRY_MS = 400;
const JSON_HEADERS = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
const SHAPE = {
  native: { resolution: '64x64', duration: 1 },
  openai: { size: '64x64', seconds: '1' },
} as const;

/** One request to whichever address serves, as a load balancer would send it. Throws when none does. */
async function send(addresses: Addresses, nth: number, path: string, init: RequestInit): Promise<Response> {
  const list = addresses();
  const base = list[nth % Math.max(1, list.length)];
  if (base === undefined) throw new Error('nobody serves');
  const signals = [AbortSignal.timeout(TIMEOUT_MS), ...(init.signal ? [init.signal] : [])];
  return fetch(base + path, { ...init, signal: AbortSignal.any(signals) });
}

const isFinal = (status: number) => status < 500 && status !== 429 && status !== 408 && status !== 409;

/** Asks for a video until somebody has answered, the way its style says; fills in what it was told. */
export async function create(asked: Asked, addresses: Addresses, signal: AbortSignal): Promise<void> {
  if (asked.style === 'openai') return createWithOpenAi(asked, addresses, signal);
  const native = asked.style === 'key';
  const body = native ? { prompt: asked.prompt, ...SHAPE.native } : { prompt: asked.prompt, ...SHAPE.openai };
  for (let retry = 0; !signal.aborted; retry += 1) {
    const headers: Record<string, string> = native
      ? { 'idempotency-key': `ask-${asked.index}` }
      : { 'x-stainless-retry-count': String(retry) };
    try {
      asked.requests += 1;
      const init = {
        method: 'POST',
        headers: { ...JSON_HEADERS, ...headers },
        body: JSON.stringify(body),
        signal,
      };
      const response = await send(
        addresses,
        asked.index + retry,
        native ? '/api/v1/videos' : '/v1/videos',
        init,
      );
      const answer = (await response.json()) as { id?: string; data?: { jobId: string } };
      if (response.ok) return acknowledge(asked, answer.data?.jobId ?? answer.id);
      if (isFinal(response.status)) {
        asked.refused = `${response.status} ${JSON.stringify(answer)}`;
        return;
      }
    } catch {
      // Down, or killed while it answered: asked again.
    }
    await pause(RETRY_MS, undefined, { signal }).catch(() => {});
  }
}

async function createWithOpenAi(asked: Asked, addresses: Addresses, signal: AbortSignal): Promise<void> {
  const client = new OpenAI({
    apiKey: API_KEY,
    baseURL: 'http://product.invalid/v1',
    maxRetries: 1000,
    timeout: TIMEOUT_MS,
    fetch: (url, init) => {
      asked.requests += 1;
      return send(
        addresses,
        asked.index + asked.requests,
        new URL(String(url)).pathname,
        (init ?? {}) as RequestInit,
      );
    },
  });
  const wish = { prompt: asked.prompt, ...SHAPE.openai } as unknown as OpenAI.VideoCreateParams;
  try {
    acknowledge(asked, (await client.videos.create(wish, { signal })).id);
  } catch (error) {
    if (!signal.aborted) asked.refused = String(error);
  }
}

function acknowledge(asked: Asked, jobId: string | undefined): void {
  if (jobId === undefined) return;
  asked.jobId ??= jobId;
  asked.told.add(jobId);
}

/** Cancels until somebody has answered. */
export async function cancel(asked: Asked, addresses: Addresses, signal: AbortSignal): Promise<void> {
  for (let retry = 0; !signal.aborted; retry += 1) {
    try {
      const init = { method: 'DELETE', headers: { authorization: `Bearer ${API_KEY}` }, signal };
      const response = await send(addresses, asked.index + retry, `/api/v1/videos/${asked.jobId}`, init);
      const text = await response.text();
      if (response.ok) return void (asked.cancel = 'cancelled');
      // A former try, whose answer was lost, may have cancelled it.
      if (response.status === 409) return void (asked.cancel = retry === 0 ? 'too_late' : asked.cancel);
      if (isFinal(response.status)) throw new TypeError(`cancel: ${response.status} ${text}`);
    } catch (error) {
      if (error instanceof TypeError && error.message.startsWith('cancel:')) throw error;
    }
    await pause(RETRY_MS, undefined, { signal }).catch(() => {});
  }
}
