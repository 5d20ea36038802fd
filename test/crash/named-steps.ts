import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultName } from '../../src/providers/simulator/faults.ts';
import { faultTags } from '../../src/providers/simulator/faults.ts';
import type { Asked } from './ask.ts';
import { type Addresses, cancel, create } from './client.ts';
import { createFleet, type Fleet, type Mode, type Slot } from './fleet.ts';
import { collect, type Evidence, judge, type Verdict } from './judge.ts';
import { productEnv, runFolder, settle } from './run.ts';
import type { Step } from './steps.ts';
import { watchTakeovers } from './takeover.ts';
import { startUpstream, type Upstream } from './upstream.ts';

export interface StepResult {
  name: string;
  /** Whether the process was killed there at all. */
  fired: boolean;
  creations: number;
  ended: string;
  /** From the kill to the end of the job. */
  seconds: number;
  ok: boolean;
}

export interface StepsResult {
  mode: Mode;
  steps: StepResult[];
  verdict: Verdict;
}

const FIRE_MS = 20_000;

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
  const { mode, steps, say } = options;
  const dir = await runFolder();
  const upstream = await startUpstream({ speed: 40 });
  const giveUp = new AbortController();
  let fleet: Fleet | undefined;
  try {
    fleet = await createFleet({
      mode,
      dir,
      env: productEnv(upstream, { MAX_RUNNING: '60' }),
      apis: 1,
      workers: 1,
    });
    const watch = watchTakeovers(fleet.window);
    const asked: Asked[] = [];
    const killedAt: (number | undefined)[] = [];
    const answers: Promise<void>[] = [];
    for (const [index, step] of steps.entries()) {
      const entry = askFor(step, index);
      asked.push(entry);
      const firedFile = join(dir, `fired-${index}`);
      const victim = victimOf(fleet, step);
      await bringUp(fleet, victim, { point: step.point, firedFile });
      const { addresses } = fleet;
      answers.push(live(entry, addresses, upstream, giveUp.signal));
      const fired = await struck(victim, firedFile);
      killedAt.push(fired ? Date.now() : undefined);
      if (fired) await watch.died(victim.claimsFile);
      await fleet.kill(victim);
      say(`${fired ? 'killed' : 'NOT REACHED'}: ${step.name}`);
    }
    await fleet.startAll();
    await settle(fleet, Promise.all(answers), say);
    giveUp.abort();
    watch.stop();
    const evidence = await collect(fleet.window, asked, await upstream.ledger());
    const verdict = await judge(fleet.window, join(fleet.dataDir, 'storage'), evidence);
    const ends = await endTimes(fleet);
    const results = steps.map((step, index) =>
      resultOf(step, asked[index]!, killedAt[index], evidence, ends),
    );
    return { mode, steps: results, verdict };
  } finally {
    giveUp.abort();
    await fleet?.stop();
    await upstream.stop();
    if (options.keep !== true) await rm(dir, { recursive: true, force: true });
  }
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

async function endTimes(fleet: Fleet): Promise<Map<string, number>> {
  const rows = await fleet.window.query<{ id: string; at: Date }>(`select id, finished_at as at from jobs`);
  return new Map(rows.map(({ id, at }) => [id, at?.getTime() ?? Number.NaN]));
}

function resultOf(
  step: Step,
  entry: Asked,
  killedAt: number | undefined,
  { jobs, ledger }: Evidence,
  ends: ReadonlyMap<string, number>,
): StepResult {
  const job = jobs.find(({ id }) => id === entry.jobId);
  const creations = ledger.creations.filter(({ prompt }) => prompt === entry.prompt).length;
  const ended = job ? `${job.status}${job.error_code ? ` (${job.error_code})` : ''}` : 'lost';
  const expected = step.ends ?? ['completed'];
  const most = job?.cancel_outcome === 'not_started' ? [0] : expected.includes('cancelled') ? [0, 1] : [1];
  return {
    name: step.name,
    fired: killedAt !== undefined,
    creations,
    ended,
    seconds: ((ends.get(entry.jobId ?? '') ?? Number.NaN) - (killedAt ?? Number.NaN)) / 1000,
    ok: killedAt !== undefined && most.includes(creations) && expected.includes(job?.status ?? ''),
  };
}
