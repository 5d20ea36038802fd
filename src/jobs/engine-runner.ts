import { errorText } from '../core/errors.ts';
import { type Loop, startLoop } from '../core/loop.ts';
import type { WorkGate } from '../core/work-gate.ts';
import type { Queue } from '../queue/task.ts';
import { admitWaiting } from './admission.ts';
import { archive } from './archive.ts';

import { connectionNames, type EngineParts, type JobTask, TASKS } from './engine.ts';
import { stillArchiving } from './jobs.repository.ts';
import { removeAbandoned } from './partial-files.ts';
import { pollDue } from './poll.ts';
import { reconcile } from './reconcile.ts';
import { rescue } from './rescue.ts';
import { stop } from './stop.ts';
import { submit } from './submit.ts';

const ADMISSION_INTERVAL_MS = 1000;
const POLL_INTERVAL_MS = 500;
const RESCUE_INTERVAL_MS = 30_000;
const REFRESH_INTERVAL_MS = 5 * 60_000;
const TIDY_INTERVAL_MS = 10 * 60_000;

export type EnginePart = 'rescue' | 'admission' | 'tasks' | 'polling';

export interface EngineRunner {
  /** Begins to work: admission, polling and the net below, each in its loop. */
  start(): void;
  /** A job has got to this stage: wakes whoever may have something to do now. */
  wake(stage: string): void;
  stop(): Promise<void>;
  /** One round of one part of the work; for tests, which move the engine by hand. Returns how much was done. */
  step(part: EnginePart): Promise<number>;
  /** One round of everything that is due, in the order of a job's way. */
  runOnce(): Promise<number>;
}

/** Declares the engine's tasks on the queue and drives what is not a task. */
export function createEngineRunner(parts: EngineParts, queue: Queue, gate: WorkGate): EngineRunner {
  queue.define<JobTask>({
    name: TASKS.submit,
    concurrency: 8,
    timeoutSeconds: 900,
    drains: true,
    handle: (task) => submit(parts, task),
  });
  queue.define<JobTask>({
    name: TASKS.reconcile,
    concurrency: 2,
    timeoutSeconds: 900,
    drains: true,
    // Certainty comes at a known time, the end of the grace: not long after it somebody should look.
    retryMaxSeconds: 10,
    handle: (task) => reconcile(parts, task),
  });
  queue.define<JobTask>({
    name: TASKS.archive,
    concurrency: 4,
    timeoutSeconds: 3600,
    // How rarely a file is asked for that is not there is the step's to say.
    retryMaxSeconds: 30,
    handle: (task) => archive(parts, task),
  });
  queue.define<JobTask>({
    name: TASKS.stop,
    concurrency: 2,
    timeoutSeconds: 60,
    handle: (task) => stop(parts, task),
  });

  const loops: Loop[] = [];
  /** Loops that have something to do when a job gets to a stage. */
  const woken: Record<string, Loop[]> = {};
  const names = connectionNames(parts.catalog);

  /** Nothing is taken while the gate is closed; a look at the models takes nothing. */
  function work(what: string, intervalMs: number, round: (signal: AbortSignal) => Promise<boolean>): Loop {
    return loop(what, intervalMs, async (signal) => gate.isOpen() && (await round(signal)));
  }

  function loop(what: string, intervalMs: number, round: (signal: AbortSignal) => Promise<boolean>): Loop {
    const onError = (error: unknown) =>
      parts.log.error({ error: errorText(error) }, `${what} failed; it goes on`);
    const started = startLoop({ clock: parts.clock, intervalMs, round, onError });
    loops.push(started);
    return started;
  }

  async function step(part: EnginePart): Promise<number> {
    if (!(await gate.check())) return 0;
    switch (part) {
      case 'rescue':
        return rescue(parts);
      case 'admission':
        return admitWaiting(parts);
      case 'tasks':
        return queue.runDue();
      case 'polling': {
        const { signal } = new AbortController();
        const counts = await Promise.all(names.map((name) => pollDue(parts, name, signal)));
        return counts.reduce((sum, count) => sum + count, 0);
      }
    }
  }

  return {
    start() {
      const admission = work('admission', ADMISSION_INTERVAL_MS, async () => (await admitWaiting(parts)) > 0);
      // A job that comes, comes back or ends: somebody waits, or a place is free.
      woken['queued'] = woken['finished'] = [admission];
      woken['rendering'] = names.map((name) =>
        work('polling', POLL_INTERVAL_MS, async (signal) => (await pollDue(parts, name, signal)) > 0),
      );
      work('rescue', RESCUE_INTERVAL_MS, async () => (await rescue(parts)) > 0);
      loop('tidying up', TIDY_INTERVAL_MS, async () => {
        await removeAbandoned(parts.tempDir, parts.clock.now(), (ids) => stillArchiving(parts.db, ids));
        return false;
      });
      loop('model refresh', REFRESH_INTERVAL_MS, async (signal) => {
        await parts.catalog.refresh({ signal });
        return false;
      });
    },
    wake(stage) {
      for (const entry of woken[stage] ?? []) entry.wake();
    },
    async stop() {
      await Promise.all(loops.map((entry) => entry.stop()));
    },
    step,
    async runOnce() {
      let done = 0;
      for (const part of ['rescue', 'admission', 'tasks', 'polling'] as const) done += await step(part);
      return done;
    },
  };
}
