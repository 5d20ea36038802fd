import { appendEvents } from '../events/events.repository.ts';
import { type CancelOutcome, type Operation, type Provider, ProviderError } from '../providers/provider.ts';
import type { Task } from '../queue/task.ts';
import { chargeOrphan } from '../usage/orphans.repository.ts';
import { type Attempt, lockAttempt, moveAttempt } from './attempts.repository.ts';
import { findCalls } from './calls.repository.ts';
import { isUnderWay } from './calls.ts';
import { endDuty, findDuties, noteStopSent, type StopOutcome } from './duties.repository.ts';
import { discardHidden } from './discard.ts';
import { type EngineParts, type JobTask, notServedHere, providerOf } from './engine.ts';
import type { Job } from './job.ts';
import { findJob, recordCancelOutcome } from './jobs.repository.ts';
import { look } from './look.ts';
import { doubt } from './outcomes.ts';
import type { Write } from './write.ts';

const STOP_TIMEOUT_MS = 20_000;

/** The task behind every duty: asks until the upstream has said what came of it. */
export async function stop(parts: EngineParts, task: Task<JobTask>): Promise<void> {
  const patience = AbortSignal.any([task.stopping, AbortSignal.timeout(STOP_TIMEOUT_MS)]);
  await stopUpstream(parts, task.data.jobId, patience);
}

/**
 * Stops what runs upstream for attempts of a job that are not wanted any more, and settles what that comes to. Throws while
 * one of them cannot be settled yet; the job as it is then.
 */
export async function stopUpstream(
  parts: EngineParts,
  jobId: string,
  signal: AbortSignal,
): Promise<Job | undefined> {
  const job = await findJob(parts.db, jobId);
  if (!job) return undefined;
  for (const attempt of await findDuties(parts.db, jobId)) {
    const outcome = await askToStop(parts, job, attempt, signal);
    await parts.write((write) => settleDuty(write, jobId, attempt.id, outcome));
  }
  // What its owner deleted before waits for nothing any more.
  if (job.deleted_at) await discardHidden(parts, [jobId]);
  return findJob(parts.db, jobId);
}

/** What became of the work upstream. Throws while that cannot be said. */
async function askToStop(
  parts: EngineParts,
  job: Job,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<StopOutcome> {
  const provider = providerOf(parts.catalog, attempt.connection);
  if (!provider) throw notServedHere(attempt.connection);
  const operation = attempt.operation ?? (await findOperation(parts, provider, job, attempt, signal));
  if (operation === undefined) return 'not_started';
  if (!provider.cancel) return 'cancelled_billed';
  let wasTold = attempt.stop_sent_at !== null;
  const beforeStop = async () => {
    await noteStopSent(parts.db, attempt.id, new Date(parts.clock.now()));
    wasTold = true;
  };
  return provider
    .cancel(operation, { signal, beforeStop })
    .catch((error: unknown) => outcomeOf(error, { wasTold }));
}

/** The work of an attempt whose answer is out or was lost; undefined when the upstream took none of its calls. */
async function findOperation(
  parts: EngineParts,
  provider: Provider,
  job: Job,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<Operation | undefined> {
  const calls = await findCalls(parts.db, attempt.id);
  const now = parts.clock.now();
  if (attempt.state === 'sent') {
    if (isUnderWay(attempt, calls, now)) throw new Error('the call to the provider is still under way');
    await doubt(parts, attempt, { code: 'interrupted', message: 'the call was cut off' });
  }
  const verdict = await look(parts, provider, attempt, job, signal);
  if (verdict.outcome === 'unknown') throw new Error('it is still unknown whether the provider took the job');
  const isFound = verdict.outcome === 'found';
  const moved = await parts.write(async ({ tx, now: at }) => {
    await lockAttempt(tx, attempt.id);
    if (isFound) return moveAttempt(tx, attempt.id, 'accepted', at, { operation: verdict.operation });
    if (isUnderWay(attempt, await findCalls(tx, attempt.id), at.getTime())) return undefined;
    return moveAttempt(tx, attempt.id, 'rejected', at);
  });
  if (!moved) throw new Error('the attempt has moved on');
  return isFound ? verdict.operation : undefined;
}

function outcomeOf(error: unknown, { wasTold }: { wasTold: boolean }): CancelOutcome {
  // Once it was told to stop, a video that is gone has been stopped. Before, it cannot be stopped any more.
  if (error instanceof ProviderError && error.kind === 'gone') return wasTold ? 'cancelled' : 'too_late';
  // It understood and will not: the work goes on and is paid for.
  if (error instanceof ProviderError && error.kind === 'rejected') return 'cancelled_billed';
  throw error;
}

const BILLED: ReadonlySet<StopOutcome> = new Set(['cancelled_billed', 'too_late', 'written_off']);

/**
 * Ends a duty with what came of it: a cancelled job is settled by it; what else a provider charges for, no job pays for,
 * and stands in the books as an orphan of the connection. Doing it again changes nothing.
 */
export async function settleDuty(
  write: Write,
  jobId: string,
  attemptId: string,
  outcome: StopOutcome,
): Promise<void> {
  const attempt = await endDuty(write.tx, attemptId, outcome);
  const job = attempt && (await findJob(write.tx, jobId));
  if (!job) return;
  const settled = attempt.state === 'orphaned' ? undefined : await recordCancelOutcome(write, jobId, outcome);
  const isCharged =
    settled !== undefined && (outcome !== 'written_off' || Number(settled.charged_micros) > 0);
  if (BILLED.has(outcome) && !isCharged) {
    const micros = Number((attempt.plan as { quoteMicros?: unknown }).quoteMicros ?? job.estimated_micros);
    await chargeOrphan(write.tx, { job, attemptId, micros, note: outcome }, write.now);
  }
  const data = { attempt: attempt.number, outcome };
  const event = {
    ownerId: job.owner_id,
    jobId,
    batchId: job.batch_id,
    type: 'job.stopped',
    data,
    at: write.now,
  };
  await appendEvents(write.tx, [event]);
}
