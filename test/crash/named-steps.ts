import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultName } from '../../src/providers/simulator/faults.ts';
import { faultTags } from '../../src/providers/simulator/faults.ts';
import type { Asked } from './ask.ts';
import { type Addresses, cancel, create } from './client.ts';
import type { Fleet } from './fleet.ts';
import type { Mode, Slot } from './slots.ts';
import type { Verdict } from './judge.ts';
import { settle } from './settle.ts';
import { onStage, verdictOn } from './stage.ts';
import { endTimes, resultOf, type StepResult } from './step-result.ts';
import type { Step } from './step.ts';
import { type Takeover, watchTakeovers } from './takeover.ts';
import type { Upstream } from './upstream.ts';

export interface StepsResult {
  mode: Mode;
  steps: StepResult[];
  verdict: Verdict;
  takeovers: Takeover[];
}

const FIRE_MS = 60_000;

/**
 * One process after the other, each killed at its own step of a job of its own; the next one goes on with what the
 * former ones left. At the end a process without a crash point finishes everything, and the judge looks at it all.
 */
export async function namedSteps(options: {
  mode: Mode;
  steps: readonly Step[];
  say: (line: string) => void;
  keep?: boolean;
}): Promise<StepsResult> {
  const { mode, steps, say, keep } = options;
  const env = () => ({ MAX_RUNNING: '60' });
  return onStage({ mode, apis: 1, workers: 1, speed: 40, env, keep, say }, async (stage) => {
    const { fleet, upstream, dir } = stage;
    const watch = watchTakeovers(fleet.window);
    stage.over.addEventListener('abort', () => watch.stop());
    const asked: Asked[] = [];
    const killedAt: (number | undefined)[] = [];
    const answers: Promise<void>[] = [];
    for (const [index, step] of steps.entries()) {
      const entry = askFor(step, index);
      asked.push(entry);
      const firedFile = join(dir, `fired-${index}`);
      const victim = victimOf(fleet, step);
      if (step.cancelAfterMs !== undefined) {
        // Else the cancellation of the step before, asked for again, could be the one that is struck.
        await fleet.startAll();
        await Promise.all(answers);
      }
      await bringUp(fleet, victim, { point: step.point, firedFile });
      answers.push(live(entry, fleet.addresses, upstream, stage.over));
      const fired = await struck(victim, firedFile);
      killedAt.push(fired ? Date.now() : undefined);
      if (fired) await watch.died(victim.claimsFile, mode === 'one');
      await fleet.kill(victim);
      say(`${fired ? 'killed' : 'NOT REACHED'}: ${step.name}`);
    }
    await fleet.startAll();
    await settle(fleet, Promise.all(answers), say);
    const { verdict, evidence } = await verdictOn(stage, asked);
    const ends = await endTimes(fleet);
    const results = steps.flatMap((step, index) => {
      const entry = asked[index];
      return entry ? [resultOf(step, entry, killedAt[index], evidence, ends)] : [];
    });
    return { mode, steps: results, verdict, takeovers: watch.takeovers };
  });
}

function askFor(step: Step, index: number): Asked {
  const faults: FaultName[] = faultTags(step.tags ?? '');
  return {
    index,
    prompt: `step ${index} ${step.tags ?? ''}`.trim(),
    style: 'key',
    faults,
    cancelAfterMs: step.cancelAfterMs,
    told: new Set(),
    requests: 0,
  };
}

/** Clients' requests are served by the API process, everything else is done by the worker. */
function victimOf(fleet: Fleet, step: Step): Slot {
  const byApi = /insert into jobs|cancelled|DELETE/.test(step.point.match);
  const slot = fleet.slots.find(({ role }) => role === 'all' || role === (byApi ? 'api' : 'worker'));
  if (!slot) throw new Error('no process to kill');
  return slot;
}

async function bringUp(fleet: Fleet, victim: Slot, point: Parameters<Fleet['start']>[1]): Promise<void> {
  await fleet.kill(victim);
  await Promise.all([
    fleet.start(victim, point),
    ...fleet.slots
      .filter((slot) => !slot.product?.isAlive() && slot !== victim)
      .map((slot) => fleet.start(slot)),
  ]);
}

/** The client's side of one step. */
async function live(
  entry: Asked,
  addresses: Addresses,
  upstream: Upstream,
  signal: AbortSignal,
): Promise<void> {
  await create(entry, addresses, signal);
  if (entry.cancelAfterMs === undefined) return;
  await isTaken(upstream, entry.prompt);
  await pause(entry.cancelAfterMs);
  await cancel(entry, addresses, signal);
}

/** Resolves once the upstream has the job, whether or not the product knows. */
async function isTaken(upstream: Upstream, prompt: string): Promise<void> {
  const deadline = Date.now() + FIRE_MS;
  while (Date.now() < deadline) {
    if ((await upstream.ledger()).creations.some((creation) => creation.prompt === prompt)) return;
    await pause(50);
  }
}

async function struck(victim: Slot, firedFile: string): Promise<boolean> {
  const deadline = Date.now() + FIRE_MS;
  while (Date.now() < deadline && victim.product?.isAlive()) await pause(20);
  return existsSync(firedFile);
}
