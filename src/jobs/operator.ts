import type { Actor } from '../accounts/actor.ts';
import { appendAudit } from '../accounts/audit.repository.ts';
import { AppError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { findLiveAttempt } from './attempts.repository.ts';
import type { EngineParts } from './engine.ts';
import { failJob } from './failure.ts';
import type { Job } from './job.ts';
import { findJob } from './jobs.repository.ts';
import { UNCONFIRMED } from './reconcile.ts';
import { accept, requeue } from './submit.ts';
import type { Writer } from './write.ts';

/** What an operator has found out about a paid call whose answer was lost. */
export type Decision =
  /** The provider has it, under this operation: it is followed to its end. */
  | { decision: 'accepted'; operation: Json }
  /** The provider does not have it: it is asked again. */
  | { decision: 'not_accepted' }
  /** Nobody will know: the job fails. */
  | { decision: 'fail' };

/**
 * Carries an operator's decision out, and writes it down in the same transaction. Throws `job_not_found`, and
 * `no_decision_needed` when there is no doubt.
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
  const attempt = await findLiveAttempt(parts.db, jobId);
  const isOpen = job.stage === 'needs_attention' || job.stage === 'unconfirmed';
  if (!isOpen || attempt?.state !== 'unconfirmed') throw new AppError('no_decision_needed');
  if (decision.decision === 'accepted') await accept(parts, attempt, decision.operation);
  else if (decision.decision === 'fail') await parts.write((write) => failJob(write, jobId, UNCONFIRMED));
  else {
    await requeue(
      parts,
      attempt,
      { code: 'not_accepted', message: 'An operator found that it was not taken.' },
      0,
    );
  }
  const decided = await findJob(parts.db, jobId);
  if (!decided) throw new AppError('job_not_found');
  return decided;
}

/** A writer whose every transaction tells of the decision that it carries out. */
function audited(write: Writer, jobId: string, { decision }: Decision, actor: Actor): Writer {
  return (work) =>
    write(async (tx) => {
      const result = await work(tx);
      const entry = { ...actor, action: 'job.decided', subjectId: jobId, details: { decision } };
      await appendAudit(tx.tx, entry, tx.now);
      return result;
    });
}
