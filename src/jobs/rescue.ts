import { deleteOldAnswers } from './client-retry.repository.ts';
import { KEY_LIFETIME_MS } from './create-job.ts';
import { findSettledHidden } from './deletion.repository.ts';
import { discardHidden } from './discard.ts';
import { deleteFormerOperations } from './doubtful.repository.ts';
import { findDuties, findJobsWithDuties } from './duties.repository.ts';
import { attemptKey, type EngineParts, STEP_RESCUE_MS, TASKS } from './engine.ts';
import { type Failure, failJob } from './failure.ts';
import { forgetProcesses } from './presence.repository.ts';
import { UNCONFIRMED } from './reconcile.ts';
import { findHopeless, findStuckSteps, postponeSteps, type StuckStep } from './rescue.repository.ts';
import { settleDuty } from './stop.ts';
import { failUnroutable } from './unroutable.ts';

/** Processes that are gone are remembered for this long. */
const PROCESSES_MS = 24 * 60 * 60_000;

const LIMIT = 500;

type KeyOf = (job: Pick<StuckStep, 'id' | 'tries'>) => string;

const byJob: KeyOf = ({ id }) => id;
const byAttempt: KeyOf = ({ id, tries }) => attemptKey(id, tries);

const STEPS: Readonly<Record<string, { task: string; keyOf: KeyOf }>> = {
  submitting: { task: TASKS.submit, keyOf: byAttempt },
  unconfirmed: { task: TASKS.reconcile, keyOf: byAttempt },
  // Its doubt may still resolve itself.
  needs_attention: { task: TASKS.reconcile, keyOf: byAttempt },
  archiving: { task: TASKS.archive, keyOf: byJob },
};

/**
 * The net below the queue: gives every step that should have ended long ago a new task (one that still has a task is
 * left alone, the queue refuses doubles), and ends what has been in work for longer than anybody waits.
 */
export async function rescue(parts: EngineParts): Promise<number> {
  await parts.presence.beat();
  const now = parts.clock.now();
  const ago = (ms: number) => new Date(now - ms);
  const { giveUpMs } = parts.deadlines;
  for (const { id, stage, tries } of await findHopeless(parts.db, ago(giveUpMs))) {
    await parts.write((write) => failJob(write, id, hopeless(stage), { stage, tries }));
  }
  await failUnroutable(parts);
  await forgetProcesses(parts.db, ago(PROCESSES_MS));
  await writeOff(parts, ago(giveUpMs));
  await discardHidden(parts, await findSettledHidden(parts.db, new Date(now), LIMIT));
  await deleteOldAnswers(parts.db, ago(KEY_LIFETIME_MS));
  await deleteFormerOperations(parts.db, ago(2 * giveUpMs));
  const owed = { since: ago(giveUpMs), before: ago(STEP_RESCUE_MS) };
  const unsettled = await findJobsWithDuties(parts.db, owed, LIMIT);
  await resend(
    parts,
    TASKS.stop,
    unsettled.map((id) => ({ id, tries: 0 })),
    byJob,
  );
  const stuck = await findStuckSteps(parts.db, new Date(now));
  for (const [stage, { task, keyOf }] of Object.entries(STEPS)) {
    await resend(
      parts,
      task,
      stuck.filter((job) => job.stage === stage),
      keyOf,
    );
  }
  return stuck.length;
}

/**
 * Ends what an upstream has owed an answer for too long: the hold is released, and what it may have cost stands in the books.
 */
async function writeOff(parts: EngineParts, before: Date): Promise<void> {
  for (const jobId of await findJobsWithDuties(parts.db, { before }, LIMIT)) {
    for (const { id, duty_at: since } of await findDuties(parts.db, jobId)) {
      if (!since || since >= before) continue;
      parts.log.warn({ jobId, attemptId: id }, 'the provider never said whether it stopped: written off');
      await parts.write((write) => settleDuty(write, jobId, id, 'written_off'));
    }
  }
}

/** A task that is still there is not doubled: the queue sees to that. */
async function resend(
  parts: EngineParts,
  task: string,
  jobs: readonly Pick<StuckStep, 'id' | 'tries'>[],
  keyOf: KeyOf,
): Promise<void> {
  if (jobs.length === 0) return;
  await parts.write(async (write) => {
    await write.queue.send(
      write.tx,
      task,
      jobs.map((job) => ({ key: keyOf(job), data: { jobId: job.id } })),
    );
    const ids = jobs.map(({ id }) => id);
    await postponeSteps(write, ids, new Date(write.now.getTime() + STEP_RESCUE_MS));
  });
}

function hopeless(stage: string): Failure {
  if (stage === 'submitting') {
    return {
      code: 'submission_failed',
      message: 'The video could not be sent to the provider: its reference image cannot be read.',
      retryable: true,
      charged: false,
    };
  }
  if (stage === 'rendering') {
    return {
      code: 'deadline_exceeded',
      message: 'The provider gave no result in the time there was.',
      retryable: true,
      charged: null,
      mayRun: true,
    };
  }
  return stage === 'archiving'
    ? {
        code: 'download_failed',
        message: 'The provider finished the video, but its file could not be fetched.',
        retryable: true,
        charged: null,
      }
    : UNCONFIRMED;
}
