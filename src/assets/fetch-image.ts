import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { type Outbound, OutboundError } from '../core/outbound.ts';
import { MAX_IMAGE_BYTES } from '../media/image.ts';
import { invalid } from './image-input.ts';

/** For everything: looking up the host, all redirects, the last byte. */
export const FETCH_TIMEOUT_MS = 15_000;
const MAX_REDIRECTS = 3;
const MAX_ADDRESS_LENGTH = 2048;

/** Hosts that choose by it must not choose a format that is refused here. */
const HEADERS = { accept: 'image/jpeg, image/png, image/webp' };

/**
 * Brings what is at a user's address to `file`. Throws `invalid_reference`, in words that tell about the address no more
 * than its author needs: nothing of what was answered there, and no address that its name leads to.
 */
export async function fetchImage(
  { outbound, clock }: { outbound: Outbound; clock: Clock },
  address: string,
  file: string,
): Promise<void> {
  const url = checkAddress(address);
  const giveUp = new AbortController();
  const { signal } = giveUp;
  const stopTimer = clock.after(FETCH_TIMEOUT_MS, () => giveUp.abort());
  try {
    const { status, headers, body } = await outbound(url.href, {
      timeoutMs: FETCH_TIMEOUT_MS,
      trust: 'untrusted',
      maxRedirects: MAX_REDIRECTS,
      headers: HEADERS,
      signal,
    });
    if (status !== 200 || Number(headers['content-length']) > MAX_IMAGE_BYTES) {
      body.destroy();
      throw status === 200 ? tooLarge() : invalid(`The address of the image answered ${status}.`);
    }
    await pipeline(body, upToLimit, createWriteStream(file), { signal });
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (signal.aborted) {
      const seconds = FETCH_TIMEOUT_MS / 1000;
      throw invalid(`The address of the image did not give it within ${seconds} seconds.`, error);
    }
    throw isBlocked(error)
      ? invalid('The address of the image is not public.', error)
      : invalid('The address of the image cannot be reached.', error);
  } finally {
    stopTimer();
  }
}

function checkAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (
    !url ||
    (url.protocol !== 'http:' && url.protocol !== 'https:') ||
    address.length > MAX_ADDRESS_LENGTH
  ) {
    throw invalid(
      'Give the image as an uploaded file, an asset id, an http(s) address or a data URL (data:image/png;base64,…).',
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid('The address of the image must not have a user name or password in it.');
  }
  return url;
}

/** Counts what really comes: a length may be missing or a lie. */
async function* upToLimit(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let received = 0;
  for await (const chunk of source) {
    received += chunk.length;
    if (received > MAX_IMAGE_BYTES) throw tooLarge();
    yield chunk;
  }
}

function tooLarge(): AppError {
  return invalid(
    `The image at that address is too large: up to ${MAX_IMAGE_BYTES / 1024 ** 2} MiB are possible.`,
  );
}

function isBlocked(error: unknown): boolean {
  return error instanceof OutboundError && error.code === 'blocked_address';
}
