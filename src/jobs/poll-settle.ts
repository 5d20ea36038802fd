import pLimit from 'p-limit';
import type { ProviderFailure } from '../providers/provider.ts';
import { type EngineParts, STEP_RESCUE_MS, TASKS } from './engine.ts';
import { failJob } from './failure.ts';
import { noteTroubles } from './judge.ts';
import { moveJobs } from './moves.repository.ts';
import { doubtOfPoll } from './patience.ts';
import type { FailedLook, Found } from './poll-check.ts';
import { estimateEnd, nextListedMs, nextPollMs } from './poll-schedule.ts';
import { type DuePoll, type PollOutcome, recordPolls } from './poll.repository.ts';
import { isStillTroubled, type NewTrouble } from './trouble.repository.ts';

/** Ends written in one transaction: few enough that the first are seen before the last are written. */
const ENDS_AT_ONCE = 200;
/** Such transactions under way at once. */
const SETTLE_CONCURRENCY = 4;
/** From so many on, progress is written down only in steps of so many percent: each step rewrites a row and tells all. */
const CROWD = 500;
const CROWD_STEP = 5;

/**
 * Acts on what looks at videos of one connection found: on ends at once, on many together; writes down the rest. `askedAt`:
 * when they were asked about, in ms. `running`: how many the connection has in work, as far as is known.
 */
export async function settle(
  parts: EngineParts,
  found: readonly Found[],
  { askedAt, running }: { askedAt: number; running: number },
): Promise<void> {
  const done = new Map<number | undefined, DuePoll[]>();
  const failed: [DuePoll, ProviderFailure][] = [];
  const unsaid: FailedLook[] = [];
  const outcomes: PollOutcome[] = [];
  for (const entry of found) {
    if ('error' in entry) unsaid.push(entry);
    else if (entry.result.state === 'failed') failed.push([entry.poll, entry.result]);
    else if (entry.result.state === 'done') {
      const { costMicros } = entry.result;
      const alike = done.get(costMicros);
      if (alike) alike.push(entry.poll);
      else done.set(costMicros, [entry.poll]);
    } else outcomes.push(outcomeOf(parts, entry, askedAt, running));
  }
  const limit = pLimit(SETTLE_CONCURRENCY);
  const ends = [...done].flatMap(([costMicros, polls]) =>
    slices(polls, ENDS_AT_ONCE).map((some) => limit(() => beginArchive(parts, some, costMicros))),
  );
  const failures = failed.map(([poll, failure]) => limit(() => failUpstream(parts, poll, failure)));
  await Promise.all([...ends, ...failures]);
  const news = outcomes.filter((outcome) => outcome.isNews);
  if (news.length > 0) await parts.write((write) => recordPolls(write, news));
  if (unsaid.length > 0) await doubt(parts, unsaid, { askedAt, running });
}

export function slices<Item>(items: readonly Item[], size: number): Item[][] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size));
}

function outcomeOf(
  parts: EngineParts,
  { poll, listed, result }: Extract<Found, { listed: boolean }>,
  askedAt: number,
  running: number,
): PollOutcome {
  const times = parts.runTimes.get(poll);
  const heard = 'progress' in result ? (result.progress ?? 0) : 0;
  const step = running > CROWD ? CROWD_STEP : 1;
  const progress = heard < poll.progress + step ? poll.progress : Math.min(99, heard);
  const askedMs = 'nextMs' in result ? result.nextMs : undefined;
  const nextMs = listed
    ? nextListedMs(poll, times, { now: askedAt, running })
    : nextPollMs(poll, { askedMs, running }, times, askedAt);
  return {
    jobId: poll.jobId,
    progress,
    nextAt: nextMs === undefined ? null : new Date(askedAt + nextMs),
    estimatedAt: estimateEnd(poll, progress, times, askedAt),
    answered: true,
    isNews: progress > poll.progress || nextMs !== undefined || poll.troubled,
  };
}

/** Looks that told nothing: noted, and looked again later. Only what has been said for long enough fails a job. */
async function doubt(
  parts: EngineParts,
  unsaid: readonly FailedLook[],
  { askedAt, running }: { askedAt: number; running: number },
): Promise<void> {
  const troubles = unsaid.map(({ poll, error, lacked }): NewTrouble => {
    const { jobId, connection } = poll;
    return { jobId, connection, doubt: doubtOfPoll(error, lacked), lacked };
  });
  const outcomes = unsaid.map(({ poll, error }): PollOutcome => {
    const news = { failed: true, askedMs: error.retryAfterMs, running };
    const nextAt = new Date(askedAt + nextPollMs(poll, news, undefined, askedAt));
    const { jobId, progress } = poll;
    return { jobId, progress, nextAt, estimatedAt: null, answered: false, isNews: true };
  });
  await parts.write((write) => recordPolls(write, outcomes));
  for (const entry of await parts.write((write) => noteTroubles(write, 'rendering', troubles))) {
    await failProven(parts, entry);
  }
}

async function failProven(parts: EngineParts, { jobId, doubt: said }: NewTrouble): Promise<void> {
  const { code, message } = said;
  await parts.write(async (write) => {
    if (!(await isStillTroubled(write, jobId, 'rendering', said))) return;
    await failJob(write, jobId, { code, message, retryable: true, charged: null });
  });
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
