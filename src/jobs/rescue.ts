import { deleteOldAnswers } from './client-retry.repository.ts';
import { KEY_LIFETIME_MS } from './create-job.ts';
import { type EngineParts, STEP_RESCUE_MS, TASKS } from './engine.ts';
import { type Failure, failJob } from './failure.ts';
import { deleteJob } from './jobs.repository.ts';
import { findForgotten, findHopeless, findStuckSteps, postponeSteps } from './rescue.repository.ts';

const TASK_OF_STAGE: Readonly<Record<string, string>> = {
  submitting: TASKS.submit,
  unconfirmed: TASKS.reconcile,
  archiving: TASKS.archive,
};

/**
 * The net below the queue: gives every step that should have ended long ago a new task (one that still has a task is
 * left alone, the queue refuses doubles), and ends what has been in work for longer than anybody waits.
 */
export async function rescue(parts: EngineParts): Promise<number> {
  const now = parts.clock.now();
  for (const { id, stage } of await findHopeless(parts.db, new Date(now - parts.deadlines.giveUpMs))) {
    await parts.write((write) => failJob(write, id, hopeless(stage)));
  }
  for (const id of await findForgotten(parts.db, new Date(now - parts.deadlines.giveUpMs))) {
    await parts.write((write) => deleteJob(write, id));
  }
  await deleteOldAnswers(parts.db, new Date(now - KEY_LIFETIME_MS));
  const stuck = await findStuckSteps(parts.db, new Date(now));
  if (stuck.length === 0) return 0;
  await parts.write(async (write) => {
    for (const { id, stage } of stuck) {
      const task = TASK_OF_STAGE[stage];
      if (task) await write.queue.send(write.tx, task, [{ key: id, data: { jobId: id } }]);
    }
    const ids = stuck.map(({ id }) => id);
    await postponeSteps(write, ids, new Date(write.now.getTime() + STEP_RESCUE_MS));
  });
  return stuck.length;
}

function hopeless(stage: string): Failure {
  return stage === 'archiving'
    ? {
        code: 'download_failed',
        message: 'The provider finished the video, but its file could not be fetched.',
        retryable: true,
        charged: null,
      }
    : {
        code: 'submission_unconfirmed',
        message: 'It could not be found out whether the provider took the job.',
        retryable: true,
        charged: null,
      };
}
