import { type Backoff, backoffMs } from '../core/backoff.ts';
import { sleep, systemClock } from '../core/clock.ts';
import { errorText } from '../core/errors.ts';
import { retryable } from '../database/retryable.ts';
import {
  type Operation,
  type Plan,
  type Provider,
  ProviderError,
  type ReferenceImage,
} from '../providers/provider.ts';
import type { Task } from '../queue/task.ts';
import { type Attempt, lockAttempt, moveAttempt } from './attempts.repository.ts';
import { type Call, type CallOutcome, insertCall } from './calls.repository.ts';
import type { EngineParts, JobTask } from './engine.ts';
import type { Ended } from './outcomes.ts';

/**
 * A paid call goes out within this time after it was written down, or not at all, in ms. So its end is known in advance,
 * even when its process dies.
 */
export const SEND_WITHIN_MS = 5000;
/** What an adapter that does not say it needs for an answer, in ms. */
const SUBMIT_TIMEOUT_MS = 30_000;
/** For giving up and saying so, in ms. */
const SLACK_MS = 1000;

/** A call that has been written down and not been made yet. */
export interface BegunCall extends Call {
  /** Wall time before it was written down, in ms: the machine may sleep, which a steady clock does not notice. */
  wallAt: number;
}

/** What came of a call: an operation, or the error, always with how it ended. */
export type Heard =
  { operation: Operation; ended: Ended } | { operation?: undefined; error: ProviderError; ended: Ended };

/**
 * Writes a paid call down, before it goes out. Undefined when the attempt is not any more where it may be made: `intended`
 * for the first one, `unconfirmed` for a repetition that is still wanted.
 */
export function beginCall(
  parts: Pick<EngineParts, 'write'>,
  { id }: Pick<Attempt, 'id'>,
  from: 'intended' | 'unconfirmed',
  { submitTimeoutMs = SUBMIT_TIMEOUT_MS }: Pick<Provider, 'submitTimeoutMs'>,
): Promise<BegunCall | undefined> {
  const wallAt = systemClock.now();
  return parts.write(async ({ tx, now }) => {
    const attempt = await lockAttempt(tx, id);
    if (attempt?.state !== from || attempt.duty !== null) return undefined;
    if (from === 'intended') await moveAttempt(tx, id, 'sent', now);
    const endsAt = now.getTime() + SEND_WITHIN_MS + submitTimeoutMs + SLACK_MS;
    return { ...(await insertCall(tx, id, now, new Date(endsAt))), wallAt };
  });
}

/** Makes a call that has been written down, once. Rejects never: what comes of it is always heard. */
export async function makeCall(
  parts: Pick<EngineParts, 'clock' | 'log'>,
  provider: Provider,
  { id, plan, job_id: jobId }: Attempt,
  call: BegunCall,
  {
    reference,
    task,
  }: { reference: ReferenceImage | undefined; task: Pick<Task<JobTask>, 'signal' | 'stopping'> },
): Promise<Heard> {
  let wasAsked = false;
  const mayStillSend = () => {
    wasAsked = true;
    // A process that is to stop begins no call: it would have to wait for its end.
    if (task.stopping.aborted) return false;
    const passedMs = Math.max(parts.clock.now() - call.sent_at.getTime(), systemClock.now() - call.wallAt);
    return passedMs <= SEND_WITHIN_MS;
  };
  const end = (outcome: CallOutcome): Ended => ({ callId: call.id, outcome });
  try {
    const context = {
      idempotencyKey: id,
      mayStillSend,
      signal: task.signal,
      ...(reference ? { reference } : {}),
    };
    const operation = await provider.submit(plan as unknown as Plan, context);
    return { operation, ended: end('accepted') };
  } catch (error) {
    if (error instanceof ProviderError) return { error, ended: end(outcomeOf(error)) };
    parts.log.error({ jobId, error: errorText(error) }, 'a paid call went wrong in an unforeseen way');
    // An adapter asks whether it may still send right before it does.
    const kind = wasAsked ? 'ambiguous' : 'not_sent';
    const unforeseen = new ProviderError(kind, 'unexpected', errorText(error), { cause: error });
    return { error: unforeseen, ended: end(outcomeOf(unforeseen)) };
  }
}

function outcomeOf({ kind }: ProviderError): CallOutcome {
  switch (kind) {
    case 'not_sent':
      return 'not_sent';
    case 'rejected':
    case 'gone':
      return 'refused';
    case 'throttled':
    case 'unavailable':
    case 'unauthorized':
      return 'turned_away';
    case 'ambiguous':
      return 'lost';
  }
}

const WRITE_AGAIN: Backoff = { baseMs: 250, factor: 2, maxMs: 4000 };
const WRITE_TRIES = 8;

/**
 * Writes down what was heard, again after a deadlock or while the database is away for a moment: this process alone knows
 * it. `work` bears running twice.
 */
export async function writeHeard<Result>(
  parts: Pick<EngineParts, 'clock'>,
  work: () => Promise<Result>,
): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!retryable(error) || tries >= WRITE_TRIES) throw error;
      await sleep(parts.clock, backoffMs(WRITE_AGAIN, tries));
    }
  }
}
