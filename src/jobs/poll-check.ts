import pLimit from 'p-limit';
import { errorText } from '../core/errors.ts';
import { type PollResult, type Provider, ProviderError } from '../providers/provider.ts';
import type { EngineParts } from './engine.ts';
import type { DuePoll } from './poll.repository.ts';

/** What asking about one job came to. */
export type Found =
  | { poll: DuePoll; listed: boolean; result: PollResult }
  | { poll: DuePoll; listed: boolean; error: ProviderError };

/** Checks under way at once in one process. */
const CONCURRENCY = 32;
const CHECK_TIMEOUT_MS = 8000;

/** One look into the upstream's list for many. Those that it did not tell of are missing in the answer. */
export async function checkList(
  parts: EngineParts,
  provider: Provider,
  due: readonly DuePoll[],
  signal: AbortSignal,
): Promise<Found[]> {
  if (!provider.pollMany) return [];
  try {
    const operations = due.map((poll) => poll.operation);
    const results = await provider.pollMany(operations, { signal: patience(signal) });
    return due.flatMap((poll, index) => {
      const result = results[index];
      return result ? [{ poll, listed: true, result }] : [];
    });
  } catch (error) {
    const failure = toProviderError(parts, error);
    // There is no list after all; each can still be asked about by itself.
    if (failure.kind === 'gone' || failure.kind === 'rejected') return [];
    return due.map((poll) => ({ poll, listed: true, error: failure }));
  }
}

/** Asks about each job by itself. */
export async function checkEach(
  parts: EngineParts,
  provider: Provider,
  due: readonly DuePoll[],
  signal: AbortSignal,
): Promise<Found[]> {
  const limit = pLimit(CONCURRENCY);
  return Promise.all(due.map((poll) => limit(() => checkOne(parts, provider, poll, signal))));
}

async function checkOne(
  parts: EngineParts,
  provider: Provider,
  poll: DuePoll,
  signal: AbortSignal,
): Promise<Found> {
  try {
    const result = await provider.poll(poll.operation, { signal: patience(signal) });
    return { poll, listed: false, result };
  } catch (error) {
    return { poll, listed: false, error: toProviderError(parts, error) };
  }
}

function patience(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]);
}

function toProviderError(parts: EngineParts, error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  parts.log.error({ error: errorText(error) }, 'a poll went wrong in an unforeseen way');
  return new ProviderError('ambiguous', 'unexpected', errorText(error), { cause: error });
}
