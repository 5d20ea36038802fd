import { deleteOldAnswers } from './client-retry.repository.ts';
import { KEY_LIFETIME_MS } from './create-job.ts';
import { connectionNames, type EngineParts, STEP_RESCUE_MS, TASKS } from './engine.ts';
import { type Failure, failJob } from './failure.ts';
import { deleteJob } from './jobs.repository.ts';
import { UNCONFIRMED } from './reconcile.ts';
import {
  findForgotten,
  findHopeless,
  findStuckSteps,
  findUnroutable,
  findUnsettledCancels,
  postponeSteps,
} from './rescue.repository.ts';

/** An operator who takes a connection away for a moment loses nothing: its queue is given up only after this. */
const UNROUTABLE_MS = 60 * 60_000;

const UNROUTABLE: Failure = {
  code: 'connection_missing',
  message: 'The connection this video was meant for is no longer configured.',
  retryable: true,
  charged: false,
};

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
  const ago = (ms: number) => new Date(now - ms);
  const { giveUpMs } = parts.deadlines;
  for (const { id, stage } of await findHopeless(parts.db, ago(giveUpMs))) {
    await parts.write((write) => failJob(write, id, hopeless(stage)));
  }
  for (const id of await findUnroutable(parts.db, connectionNames(parts.catalog), ago(UNROUTABLE_MS))) {
    await parts.write((write) => failJob(write, id, UNROUTABLE));
  }
  for (const id of await findForgotten(parts.db, ago(giveUpMs))) {
    await parts.write((write) => deleteJob(write, id));
  }
  await deleteOldAnswers(parts.db, ago(KEY_LIFETIME_MS));
  await resend(parts, TASKS.stop, await findUnsettledCancels(parts.db, ago(giveUpMs), ago(STEP_RESCUE_MS)));
  const stuck = await findStuckSteps(parts.db, new Date(now));
  for (const [stage, task] of Object.entries(TASK_OF_STAGE)) {
    const ids = stuck.filter((job) => job.stage === stage).map((job) => job.id);
    await resend(parts, task, ids);
  }
  return stuck.length;
}

/** A task that is still there is not doubled: the queue sees to that. */
async function resend(parts: EngineParts, task: string, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  await parts.write(async (write) => {
    await write.queue.send(
      write.tx,
      task,
      ids.map((id) => ({ key: id, data: { jobId: id } })),
    );
    await postponeSteps(write, ids, new Date(write.now.getTime() + STEP_RESCUE_MS));
  });
}

function hopeless(stage: string): Failure {
  if (stage === 'rendering') {
    return {
      code: 'deadline_exceeded',
      message: 'The provider gave no result in the time there was.',
      retryable: true,
      charged: null,
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
