import pLimit from 'p-limit';
import type { ProviderError, ProviderFailure } from '../providers/provider.ts';
import { type EngineParts, providerOf, STEP_RESCUE_MS, TASKS } from './engine.ts';
import { failJob } from './failure.ts';
import { moveJobs } from './moves.repository.ts';
import { checkEach, checkList, type Found } from './poll-check.ts';
import { estimateEnd, nextPollMs, type PollNews } from './poll-schedule.ts';
import { claimDuePolls, type DuePoll, type PollOutcome, recordPolls } from './poll.repository.ts';

/** How long a claim lasts: a dead worker's checks are taken over after this. */
const LEASE_MS = 9000;
/** Jobs taken in one go where each has to be asked about by itself, and where the upstream lists. */
const CLAIM_SIZE = { single: 200, list: 10_000 };
/** Fewer than this are asked about one by one all the same. */
const LIST_FROM = 5;
/** Ends written in one transaction: few enough that the first are seen before the last are written. */
const ENDS_AT_ONCE = 200;
/** Such transactions under way at once. */
const SETTLE_CONCURRENCY = 4;
/** From so many on, progress is written down only in steps of so many percent: each step rewrites a row and tells all. */
const CROWD = 500;
const CROWD_STEP = 5;
/** A provider that does not know a video at first may only be late with it. */
const GONE_GRACE_MS = 30_000;

/** Asks one connection about every job whose check is due; returns how many. Several processes may do so at once. */
export async function pollDue(parts: EngineParts, connection: string, signal: AbortSignal): Promise<number> {
  const provider = providerOf(parts.catalog, connection);
  if (!provider) return 0;
  const now = parts.clock.now();
  const size = provider.pollMany ? CLAIM_SIZE.list : CLAIM_SIZE.single;
  const due = await claimDuePolls(parts.db, connection, new Date(now), new Date(now + LEASE_MS), size);
  const listed = due.length >= LIST_FROM ? await checkList(parts, provider, due, signal) : [];
  if (signal.aborted) return 0;
  // What the list told is written down before anybody else is asked about.
  await settle(parts, listed, now);
  const told = new Set(listed.map(({ poll }) => poll.jobId));
  const left = due.filter((poll) => !told.has(poll.jobId));
  for (const some of slices(left, CLAIM_SIZE.single)) {
    const found = await checkEach(parts, provider, some, signal);
    if (signal.aborted) return 0;
    await settle(parts, found, parts.clock.now());
  }
  return due.length;
}

function slices<Item>(items: readonly Item[], size: number): Item[][] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size));
}

/** Acts on ends, at once on many; writes down all other news together. `askedAt`: when they were asked about, in ms. */
async function settle(parts: EngineParts, found: readonly Found[], askedAt: number): Promise<void> {
  const done = new Map<number | undefined, DuePoll[]>();
  const failed: [DuePoll, ProviderFailure][] = [];
  const unfinished: PollOutcome[] = [];
  const step = found.length > CROWD ? CROWD_STEP : 1;
  for (const entry of found) {
    const { poll } = entry;
    const failure = failureOf(entry, parts.clock.now());
    if (failure) failed.push([poll, failure]);
    else if ('result' in entry && entry.result.state === 'done') {
      const { costMicros } = entry.result;
      const alike = done.get(costMicros);
      if (alike) alike.push(poll);
      else done.set(costMicros, [poll]);
    } else unfinished.push(outcomeOf(parts, entry, askedAt, step));
  }
  const limit = pLimit(SETTLE_CONCURRENCY);
  const ends = [...done].flatMap(([costMicros, polls]) =>
    slices(polls, ENDS_AT_ONCE).map((some) => limit(() => beginArchive(parts, some, costMicros))),
  );
  const failures = failed.map(([poll, failure]) => limit(() => failUpstream(parts, poll, failure)));
  await Promise.all([...ends, ...failures]);
  if (unfinished.length > 0) await parts.write((write) => recordPolls(write, unfinished));
}

/** What the job fails with; undefined when it goes on. */
function failureOf(found: Found, now: number): ProviderFailure | undefined {
  if ('result' in found) return found.result.state === 'failed' ? found.result : undefined;
  const isSettledIn = now - found.poll.startedAt.getTime() > GONE_GRACE_MS;
  return found.error.kind === 'gone' && isSettledIn ? goneFailure(found.error) : undefined;
}

function outcomeOf(parts: EngineParts, found: Found, askedAt: number, step: number): PollOutcome {
  const { poll } = found;
  const times = parts.runTimes.get(poll);
  const heard = 'result' in found && 'progress' in found.result ? (found.result.progress ?? 0) : 0;
  const progress = heard < poll.progress + step ? poll.progress : Math.min(99, heard);
  const nextAt = new Date(askedAt + nextPollMs(poll, newsOf(found), times, askedAt));
  return { jobId: poll.jobId, progress, nextAt, estimatedAt: estimateEnd(poll, progress, times, askedAt) };
}

function newsOf(found: Found): PollNews {
  const { listed } = found;
  if ('error' in found) return { failed: true, listed, askedMs: found.error.retryAfterMs };
  return { listed, askedMs: 'nextMs' in found.result ? found.result.nextMs : undefined };
}

async function beginArchive(
  parts: EngineParts,
  polls: readonly DuePoll[],
  costMicros: number | undefined,
): Promise<void> {
  const attempts = new Map(polls.map((poll) => [poll.jobId, poll.attemptNumber]));
  await parts.write(async (write) => {
    const changes = {
      progress: 99,
      due_at: new Date(write.now.getTime() + STEP_RESCUE_MS),
      ...(costMicros === undefined ? {} : { charged_micros: costMicros }),
    };
    const moved = await moveJobs(write, [...attempts.keys()], 'archive', changes, ({ id }) => ({
      attempt: attempts.get(id),
    }));
    await write.queue.send(
      write.tx,
      TASKS.archive,
      moved.map(({ id }) => ({ key: id, data: { jobId: id } })),
    );
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
