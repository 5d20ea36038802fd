import { errorText } from '../core/errors.ts';
import {
  type Operation,
  type Plan,
  type Provider,
  ProviderError,
  type SubmitContext,
} from '../providers/provider.ts';
import type { Attempt } from './attempts.repository.ts';
import type { EngineParts } from './engine.ts';
import type { Job } from './job.ts';
import { readReference } from './reference.ts';

/**
 * The paid call goes out within this time after it was committed as sent, or not at all, in ms. Much less than
 * reconcile's grace: when an upstream's list lacks the video by then, no call can still be on its way.
 */
export const SEND_WITHIN_MS = 5000;

/** Makes the paid call of an attempt, once. Throws a `ProviderError`, whatever happens. */
export async function send(
  parts: EngineParts,
  provider: Provider,
  job: Pick<Job, 'id' | 'reference_key' | 'reference_type'>,
  attempt: Attempt,
  sentAt: number,
  signal: AbortSignal,
): Promise<Operation> {
  const sendBefore = sentAt + SEND_WITHIN_MS;
  try {
    const reference = await readReference(parts.storage, job);
    const context: SubmitContext = { idempotencyKey: attempt.id, sendBefore, signal };
    if (parts.clock.now() > sendBefore) throw tooLate();
    return await provider.submit(
      attempt.plan as unknown as Plan,
      reference ? { ...context, reference } : context,
    );
  } catch (error) {
    if (error instanceof ProviderError) throw error;
    parts.log.error({ jobId: job.id, error: errorText(error) }, 'submit went wrong in an unforeseen way');
    throw new ProviderError('ambiguous', 'unexpected', errorText(error), { cause: error });
  }
}

/** Not sent; but others may have drawn their conclusions meanwhile, so it counts as unclear all the same. */
function tooLate(): ProviderError {
  return new ProviderError('ambiguous', 'not_sent_in_time', 'The process was held up before the call.');
}
