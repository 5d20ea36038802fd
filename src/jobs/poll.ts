import pLimit from 'p-limit';
import { type Backoff, backoffMs } from '../core/backoff.ts';
import { errorText } from '../core/errors.ts';
import { type PollResult, ProviderError, type ProviderFailure } from '../providers/provider.ts';
import { type EngineParts, providerOf, STEP_RESCUE_MS, TASKS } from './engine.ts';
import { failJob } from './failure.ts';
import { moveJob } from './moves.repository.ts';
import { claimDuePolls, type DuePoll, type PollOutcome, recordPolls } from './poll.repository.ts';

/** How long a claim lasts: a dead worker's checks are taken over after this. */
const LEASE_MS = 15_000;
const CLAIM_SIZE = 200;
/** Checks under way at once in one process. */
const CONCURRENCY = 32;
const CHECK_TIMEOUT_MS = 10_000;

/** Between checks when the upstream does not say: quick at first, calmer with time. */
const SCHEDULE: Backoff = { baseMs: 1000, factor: 1.3, maxMs: 10_000 };
/** Between checks while the upstream cannot be asked. */
const UNREACHABLE: Backoff = { baseMs: 2000, factor: 1.5, maxMs: 60_000 };
/** Between checks of overdue jobs. */
const OVERDUE_MS = 60_000;
/** A provider that does not know a video at first may only be late with it. */
const GONE_GRACE_MS = 30_000;

type Found = { poll: DuePoll; result: PollResult } | { poll: DuePoll; error: ProviderError };

/** Asks one connection about every job whose check is due; returns how many. Several processes may do so at once. */
export async function pollDue(parts: EngineParts, connection: string, signal: AbortSignal): Promise<number> {
  const now = parts.clock.now();
  const due = await claimDuePolls(parts.db, connection, new Date(now), new Date(now + LEASE_MS), CLAIM_SIZE);
  if (due.length === 0) return 0;
  const limit = pLimit(CONCURRENCY);
  const found = await Promise.all(due.map((poll) => limit(() => check(parts, poll, signal))));
  if (signal.aborted) return 0;

  const unfinished: PollOutcome[] = [];
  for (const entry of found) {
    const outcome = await settle(parts, entry);
    if (outcome) unfinished.push(outcome);
  }
  await parts.write((write) => recordPolls(write, unfinished));
  return due.length;
}

async function check(parts: EngineParts, poll: DuePoll, signal: AbortSignal): Promise<Found> {
  try {
    const provider = providerOf(parts.catalog, poll.connection);
    if (!provider) throw new ProviderError('unavailable', 'connection_missing', 'no such connection');
    const patience = AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]);
    return { poll, result: await provider.poll(poll.operation, { signal: patience }) };
  } catch (error) {
    if (error instanceof ProviderError) return { poll, error };
    parts.log.error({ jobId: poll.jobId, error: errorText(error) }, 'poll went wrong in an unforeseen way');
    return { poll, error: new ProviderError('ambiguous', 'unexpected', errorText(error), { cause: error }) };
  }
}

/** Acts on an end; anything else comes back as an outcome to write down with the others. */
async function settle(parts: EngineParts, found: Found): Promise<PollOutcome | undefined> {
  const { poll } = found;
  const now = parts.clock.now();
  if ('result' in found && found.result.state === 'done') {
    await beginArchive(parts, poll, found.result.costMicros);
    return undefined;
  }
  if ('result' in found && found.result.state === 'failed') {
    await failUpstream(parts, poll, found.result);
    return undefined;
  }
  if (now >= poll.startedAt.getTime() + parts.deadlines.giveUpMs) {
    await giveUp(parts, poll);
    return undefined;
  }
  const isSettledIn = now - poll.startedAt.getTime() > GONE_GRACE_MS;
  if ('error' in found && found.error.kind === 'gone' && isSettledIn) {
    await failUpstream(parts, poll, goneFailure(found.error));
    return undefined;
  }
  const progress =
    'result' in found && 'progress' in found.result ? Math.min(99, found.result.progress ?? 0) : 0;
  const nextAt = new Date(now + waitMs(found, now));
  return { jobId: poll.jobId, progress, nextAt, estimatedAt: estimateEnd(poll, progress, now) };
}

function waitMs(found: Found, now: number): number {
  const { poll } = found;
  if (now >= poll.deadlineAt.getTime()) return OVERDUE_MS;
  if ('error' in found)
    return found.error.retryAfterMs ?? backoffMs(UNREACHABLE, Math.min(poll.pollCount, 10));
  const asked = 'nextMs' in found.result ? found.result.nextMs : undefined;
  return Math.min(asked ?? backoffMs(SCHEDULE, Math.min(poll.pollCount, 20)), OVERDUE_MS);
}

/** Straight on from where it stands; no guess before a tenth is done. */
function estimateEnd(poll: DuePoll, progress: number, now: number): Date | null {
  if (progress < 10) return null;
  const startedAt = poll.startedAt.getTime();
  return new Date(startedAt + ((now - startedAt) * 100) / progress);
}

async function beginArchive(
  parts: EngineParts,
  poll: DuePoll,
  costMicros: number | undefined,
): Promise<void> {
  await parts.write(async (write) => {
    const changes = {
      progress: 99,
      due_at: new Date(write.now.getTime() + STEP_RESCUE_MS),
      ...(costMicros === undefined ? {} : { charged_micros: costMicros }),
    };
    const job = await moveJob(write, poll.jobId, 'archive', changes, { attempt: poll.attemptNumber });
    if (job) await write.queue.send(write.tx, TASKS.archive, [{ key: job.id, data: { jobId: job.id } }]);
  });
}

async function failUpstream(parts: EngineParts, poll: DuePoll, failure: ProviderFailure): Promise<void> {
  const charged = failure.billed === 'unknown' ? null : failure.billed;
  const { code, message, retryable } = failure;
  await parts.write((write) => failJob(write, poll.jobId, { code, message, retryable, charged }));
}

function goneFailure(error: ProviderError): ProviderFailure {
  return {
    state: 'failed',
    code: 'upstream_lost_job',
    message: `The provider no longer knows this video: ${error.message}`,
    retryable: true,
    billed: 'unknown',
  };
}

async function giveUp(parts: EngineParts, poll: DuePoll): Promise<void> {
  const hours = Math.round(parts.deadlines.giveUpMs / 360_000) / 10;
  await parts.write((write) =>
    failJob(write, poll.jobId, {
      code: 'deadline_exceeded',
      message: `The provider gave no result within ${hours} hours.`,
      retryable: true,
      charged: null,
    }),
  );
}
