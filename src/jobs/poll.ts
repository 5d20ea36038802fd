import pLimit from 'p-limit';
import { errorText } from '../core/errors.ts';
import {
  type PollResult,
  type Provider,
  ProviderError,
  type ProviderFailure,
} from '../providers/provider.ts';
import { type EngineParts, providerOf, STEP_RESCUE_MS, TASKS } from './engine.ts';
import { failJob } from './failure.ts';
import { moveJob } from './moves.repository.ts';
import { estimateEnd, nextPollMs, type PollNews } from './poll-schedule.ts';
import { claimDuePolls, type DuePoll, type PollOutcome, recordPolls } from './poll.repository.ts';

/** How long a claim lasts: a dead worker's checks are taken over after this. */
const LEASE_MS = 12_000;
/** Jobs taken in one go where each has to be asked about by itself, and where the upstream lists. */
const CLAIM_SIZE = { single: 200, list: 10_000 };
/** Fewer than this are asked about one by one all the same. */
const LIST_FROM = 5;
/** Checks under way at once in one process. */
const CONCURRENCY = 32;
const CHECK_TIMEOUT_MS = 10_000;
/** A provider that does not know a video at first may only be late with it. */
const GONE_GRACE_MS = 30_000;

type Found =
  | { poll: DuePoll; listed: boolean; result: PollResult }
  | { poll: DuePoll; listed: boolean; error: ProviderError };

/** Asks one connection about every job whose check is due; returns how many. Several processes may do so at once. */
export async function pollDue(parts: EngineParts, connection: string, signal: AbortSignal): Promise<number> {
  const provider = providerOf(parts.catalog, connection);
  if (!provider) return 0;
  const now = parts.clock.now();
  const size = provider.pollMany ? CLAIM_SIZE.list : CLAIM_SIZE.single;
  const due = await claimDuePolls(parts.db, connection, new Date(now), new Date(now + LEASE_MS), size);
  if (due.length === 0) return 0;
  const found = await checkAll(parts, provider, due, signal);
  if (signal.aborted) return 0;

  const unfinished: PollOutcome[] = [];
  const limit = pLimit(SETTLE_CONCURRENCY);
  await Promise.all(
    found.map((entry) =>
      limit(async () => {
        const outcome = await settle(parts, entry);
        if (outcome) unfinished.push(outcome);
      }),
    ),
  );
  await parts.write((write) => recordPolls(write, unfinished));
  return due.length;
}

/** Ends written at once, each in its own transaction. */
const SETTLE_CONCURRENCY = 4;

async function checkAll(
  parts: EngineParts,
  provider: Provider,
  due: DuePoll[],
  signal: AbortSignal,
): Promise<Found[]> {
  const listed = due.length >= LIST_FROM ? await checkList(parts, provider, due, signal) : [];
  const limit = pLimit(CONCURRENCY);
  return Promise.all(
    due.map((poll, index) => listed[index] ?? limit(() => checkOne(parts, provider, poll, signal))),
  );
}

/** One look into the upstream's list for many; undefined for each that it did not tell of. */
async function checkList(
  parts: EngineParts,
  provider: Provider,
  due: DuePoll[],
  signal: AbortSignal,
): Promise<(Found | undefined)[]> {
  if (!provider.pollMany) return [];
  try {
    const operations = due.map((poll) => poll.operation);
    const results = await provider.pollMany(operations, { signal: patience(signal) });
    return due.map((poll, index) => {
      const result = results[index];
      return result && { poll, listed: true, result };
    });
  } catch (error) {
    const failure = toProviderError(parts, error);
    return due.map((poll) => ({ poll, listed: false, error: failure }));
  }
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
  const isSettledIn = now - poll.startedAt.getTime() > GONE_GRACE_MS;
  if ('error' in found && found.error.kind === 'gone' && isSettledIn) {
    await failUpstream(parts, poll, goneFailure(found.error));
    return undefined;
  }
  const times = parts.runTimes.get(poll);
  const progress =
    'result' in found && 'progress' in found.result ? Math.min(99, found.result.progress ?? 0) : 0;
  const nextAt = new Date(now + nextPollMs(poll, newsOf(found), times, now));
  return { jobId: poll.jobId, progress, nextAt, estimatedAt: estimateEnd(poll, progress, times, now) };
}

function newsOf(found: Found): PollNews {
  if ('error' in found) return { failed: true, askedMs: found.error.retryAfterMs };
  return { listed: found.listed, askedMs: 'nextMs' in found.result ? found.result.nextMs : undefined };
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
