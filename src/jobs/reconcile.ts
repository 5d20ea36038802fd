import { type Backoff, backoffMs } from '../core/backoff.ts';
import { errorText } from '../core/errors.ts';
import type { Provider } from '../providers/provider.ts';
import type { Task } from '../queue/task.ts';
import { type Attempt, findLiveAttempt, recordEvidence } from './attempts.repository.ts';
import type { Verdict } from './attribution.ts';
import { beginCall, makeCall, writeHeard } from './call.ts';
import { findCalls } from './calls.repository.ts';
import { spanOf } from './calls.ts';
import { type EngineParts, type JobTask, notServedHere, providerOf } from './engine.ts';
import { type Failure, failJob } from './failure.ts';
import type { Job } from './job.ts';
import { findJob } from './jobs.repository.ts';
import { look } from './look.ts';
import { moveJob } from './moves.repository.ts';
import { accept, requeue, writeEnded } from './outcomes.ts';
import { isServed } from './presence.repository.ts';
import { readReference } from './reference.ts';
import { UNROUTABLE_MS } from './unroutable.ts';

/** After this long without certainty an operator is asked, in ms since the last call. */
const ATTENTION_MS = 15 * 60_000;
/** Before a job that was found not to have been taken is offered again. */
const REOFFER: Backoff = { baseMs: 1000, factor: 2, maxMs: 60_000 };
/** A key is trusted for so much less than its lifetime: clocks differ, and a call takes its time. */
const KEY_MARGIN = { share: 0.1, leastMs: 60_000 };

type Unknown = Extract<Verdict, { outcome: 'unknown' }>;

/**
 * Finds out what became of a paid call whose answer was lost, and never pays twice to do so: the same idempotency key
 * again while the provider knows it, then a look into the provider's list. Throws to be run again; once an operator has
 * been asked it looks now and then, when the net below the queue sends it.
 */
export async function reconcile(parts: EngineParts, task: Task<JobTask>): Promise<void> {
  const job = await findJob(parts.db, task.data.jobId);
  if (job?.stage !== 'unconfirmed' && job?.stage !== 'needs_attention') return;
  const attempt = await findLiveAttempt(parts.db, job.id);
  if (attempt?.state !== 'unconfirmed') return;
  const provider = providerOf(parts.catalog, attempt.connection);
  if (!provider && (await isServedElsewhere(parts, attempt.connection)))
    throw notServedHere(attempt.connection);

  if (provider && (await mayRepeat(parts, provider, attempt))) {
    if (await repeat(parts, provider, job, attempt, task)) return;
  }
  const verdict = provider ? await see(parts, provider, job, attempt, task.stopping) : UNSEEN;
  if (verdict.outcome === 'found') return accept(parts, attempt, verdict.operation);
  if (verdict.outcome === 'absent') {
    const { completeness: evidence } = verdict;
    const reason = {
      code: 'not_accepted',
      message: 'The provider does not have it.',
      evidence: { evidence },
    };
    const waitMs = backoffMs(REOFFER, Math.min(job.tries, 6));
    if (await requeue(parts, attempt, reason, { waitMs, counts: true })) return;
  } else if (verdict.candidates.length > 0) {
    await recordEvidence(parts.db, attempt.id, evidenceOf(verdict, parts.clock.now()));
  }
  if (job.stage === 'needs_attention') return;
  if (await isHopeless(parts, provider, attempt)) return giveUp(parts, attempt, verdict);
  if (!provider) throw notServedHere(attempt.connection);
  throw new Error('it is still unknown whether the provider took the job');
}

const UNSEEN: Unknown = { outcome: 'unknown', why: 'the connection is not configured here', candidates: [] };

/** A process that knows the connection finds out; only one that no process serves any more is given up here. */
function isServedElsewhere(
  { db, clock }: Pick<EngineParts, 'db' | 'clock'>,
  connection: string,
): Promise<boolean> {
  return isServed(db, connection, new Date(clock.now() - UNROUTABLE_MS));
}

/** Whether the upstream still knows the key, and has not refused a repetition before: that would not change. */
async function mayRepeat(
  { db, clock }: Pick<EngineParts, 'db' | 'clock'>,
  { resubmitIsSafe, keyLifetimeMs = 24 * 60 * 60_000 }: Provider,
  attempt: Attempt,
): Promise<boolean> {
  const calls = await findCalls(db, attempt.id);
  const span = spanOf(attempt, calls);
  if (!resubmitIsSafe || !span || calls.at(-1)?.outcome === 'refused') return false;
  const marginMs = Math.max(KEY_MARGIN.leastMs, keyLifetimeMs * KEY_MARGIN.share);
  return clock.now() < span.from + keyLifetimeMs - marginMs;
}

/**
 * The same call with the same key, written down like the first one. Its answer counts when it is an operation; a refusal
 * says nothing about the first call. True when the attempt is settled.
 */
async function repeat(
  parts: EngineParts,
  provider: Provider,
  job: Job,
  attempt: Attempt,
  task: Task<JobTask>,
): Promise<boolean> {
  const reference = await readReference(parts.storage, job);
  task.stopping.throwIfAborted();
  const call = await beginCall(parts, attempt, 'unconfirmed', provider);
  if (!call) return true;
  const heard = await makeCall(parts, provider, attempt, call, { reference, task });
  const { ended } = heard;
  if (heard.operation !== undefined) {
    await writeHeard(parts, () => accept(parts, attempt, heard.operation, ended));
    return true;
  }
  parts.log.debug(
    { jobId: job.id, error: heard.error.message },
    'a repetition was not answered with a video',
  );
  await writeHeard(parts, () => writeEnded(parts, attempt, ended));
  return false;
}

async function see(
  parts: EngineParts,
  provider: Provider,
  job: Job,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<Verdict> {
  try {
    return await look(parts, provider, attempt, job, signal);
  } catch (error) {
    parts.log.debug({ jobId: job.id, error: errorText(error) }, 'the list of the provider could not be read');
    return { outcome: 'unknown', why: 'the list could not be read', candidates: [] };
  }
}

/** Certainty is not to be had in good time: no key that could still be repeated, and long since the last call. */
async function isHopeless(
  parts: EngineParts,
  provider: Provider | undefined,
  attempt: Attempt,
): Promise<boolean> {
  if (provider && (await mayRepeat(parts, provider, attempt))) return false;
  const span = spanOf(attempt, await findCalls(parts.db, attempt.id));
  return !span || parts.clock.now() >= span.from + ATTENTION_MS;
}

export const UNCONFIRMED: Failure = {
  code: 'submission_unconfirmed',
  message: 'It could not be found out whether the provider took the job.',
  retryable: true,
  charged: null,
  mayRun: true,
};

/** No certainty to be had: an operator is asked, unless the connection's policy says which risk to take. */
async function giveUp(parts: EngineParts, attempt: Attempt, verdict: Verdict): Promise<void> {
  const { job_id: jobId, number } = attempt;
  const policy = parts.catalog.connection(attempt.connection)?.whenUnconfirmed ?? 'ask';
  if (policy === 'fail') return void (await parts.write((write) => failJob(write, jobId, UNCONFIRMED)));
  if (policy === 'resend') {
    const reason = { code: 'unconfirmed', message: 'Sent again, as the connection is set to do.' };
    if (await requeue(parts, attempt, reason, { waitMs: 0, counts: true })) return;
    throw new Error('a call may still be under way');
  }
  const { why, candidates } = verdict.outcome === 'unknown' ? verdict : UNSEEN;
  const data = { attempt: number, why, candidates: candidates.length };
  await parts.write((write) => moveJob(write, jobId, 'alert', {}, data));
}

const SHOWN = 20;

function evidenceOf({ why, candidates }: Unknown, now: number) {
  return {
    at: new Date(now).toISOString(),
    why,
    candidates: candidates.slice(0, SHOWN).map(({ shown }) => shown),
  };
}
