import type { Actor } from '../accounts/actor.ts';
import { appendAudit } from '../accounts/audit.repository.ts';
import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { type Attempt, findLiveAttempt, moveAttempt } from './attempts.repository.ts';
import { findCalls } from './calls.repository.ts';
import { isUnderWay } from './calls.ts';
import { findDuties } from './duties.repository.ts';
import type { EngineParts } from './engine.ts';
import { failJob } from './failure.ts';
import type { Job } from './job.ts';
import { findJob } from './jobs.repository.ts';
import { accept, requeue } from './outcomes.ts';
import { UNCONFIRMED } from './reconcile.ts';
import { settleDuty } from './stop.ts';
import type { Writer } from './write.ts';

/** What an operator has found out about a paid call whose answer was lost, or a cancellation that was never answered. */
export type Decision =
  /** The provider has it, under this operation: it is followed to its end, or stopped when it is not wanted any more. */
  | { decision: 'accepted'; operation: Json }
  /** The provider does not have it: it is asked again; a cancelled one costs nothing. */
  | { decision: 'not_accepted' }
  /** It cannot be known: the job fails; a cancelled one is written off. */
  | { decision: 'fail' };

/**
 * Carries an operator's decision out, and writes it down in the same transaction. Throws `job_not_found`,
 * `no_decision_needed` when there is no doubt, and `call_under_way` while the provider may still answer by itself.
 */
export async function decide(
  plain: EngineParts,
  jobId: string,
  decision: Decision,
  actor: Actor,
): Promise<Job> {
  const parts = { ...plain, write: audited(plain.write, jobId, decision, actor) };
  const job = await findJob(parts.db, jobId);
  if (!job) throw new AppError('job_not_found');
  if (job.stage === 'finished') await decideDuty(parts, job, decision);
  else await decideDoubt(parts, job, decision);
  const decided = await findJob(parts.db, jobId);
  if (!decided) throw new AppError('job_not_found');
  return decided;
}

async function decideDoubt(parts: EngineParts, job: Job, decision: Decision): Promise<void> {
  const attempt = await findLiveAttempt(parts.db, job.id);
  const isOpen = job.stage === 'needs_attention' || job.stage === 'unconfirmed';
  if (!isOpen || attempt?.state !== 'unconfirmed') throw new AppError('no_decision_needed');
  // It gives up the job alone: what the attempt may have started is its duty to stop.
  if (decision.decision === 'fail') {
    return void (await parts.write((write) => failJob(write, job.id, UNCONFIRMED)));
  }
  await refuseWhileAlive(parts, attempt);
  if (decision.decision === 'accepted') return accept(parts, attempt, decision.operation);
  const reason = { code: 'not_accepted', message: 'An operator found that it was not taken.' };
  const isBack = await requeue(parts, attempt, reason, { waitMs: 0, counts: false });
  if (!isBack) throw new AppError('call_under_way');
}

async function decideDuty(parts: EngineParts, job: Job, decision: Decision): Promise<void> {
  const [attempt] = job.status === 'cancelled' ? await findDuties(parts.db, job.id) : [];
  if (!attempt) throw new AppError('no_decision_needed');
  await refuseWhileAlive(parts, attempt);
  if (decision.decision === 'accepted') {
    if (attempt.operation !== null) throw new AppError('no_decision_needed');
    return accept(parts, attempt, decision.operation);
  }
  const isNotTaken = decision.decision === 'not_accepted';
  await parts.write(async (write) => {
    if (isNotTaken) await moveAttempt(write.tx, attempt.id, 'rejected', write.now);
    await settleDuty(write, job.id, attempt.id, isNotTaken ? 'not_started' : 'written_off');
  });
}

async function refuseWhileAlive(parts: EngineParts, attempt: Attempt): Promise<void> {
  const calls = await findCalls(parts.db, attempt.id);
  if (isUnderWay(attempt, calls, parts.clock.now())) throw new AppError('call_under_way');
}

/** A writer whose every transaction tells of the decision that it carries out. */
function audited(write: Writer, jobId: string, { decision }: Decision, actor: Actor): Writer {
  return (work) =>
    write(async (tx) => {
      const result = await work(tx);
      if (result === false) return result;
      const entry = { ...actor, action: 'job.decided', subjectId: jobId, details: { decision } };
      await appendAudit(tx.tx, entry, tx.now);
      return result;
    });
}
