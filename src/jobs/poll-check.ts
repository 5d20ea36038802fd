import pLimit from 'p-limit';
import { errorText } from '../core/errors.ts';
import { type PollResult, type Provider, ProviderError } from '../providers/provider.ts';
import type { EngineParts } from './engine.ts';
import type { DuePoll } from './poll.repository.ts';

/** What asking about one job came to. */
export type Found = { poll: DuePoll; listed: boolean; result: PollResult } | FailedLook;

export interface FailedLook {
  poll: DuePoll;
  error: ProviderError;
  /** The provider's complete list lacked it just now. */
  lacked: boolean;
}

/** Checks under way at once in one process. */
const CONCURRENCY = 32;
const CHECK_TIMEOUT_MS = 8000;

/** Asks about each job by itself. `lacked`: the provider's complete list, just read, lacks all of them. */
export async function checkEach(
  parts: EngineParts,
  provider: Provider,
  due: readonly DuePoll[],
  { signal, lacked = false }: { signal: AbortSignal; lacked?: boolean },
): Promise<Found[]> {
  const limit = pLimit(CONCURRENCY);
  return Promise.all(
    due.map((poll) =>
      limit(async (): Promise<Found> => {
        try {
          const patience = AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]);
          return { poll, listed: false, result: await provider.poll(poll.operation, { signal: patience }) };
        } catch (error) {
          return { poll, lacked, error: toProviderError(parts, error) };
        }
      }),
    ),
  );
}

/** An error that is none of the provider's is a fault of ours: it is told to the log, and means nothing for the job. */
export function toProviderError(parts: EngineParts, error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  parts.log.error({ error: errorText(error) }, 'a poll went wrong in an unforeseen way');
  return new ProviderError('ambiguous', 'unexpected', 'The provider could not be asked.', { cause: error });
}
