import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { faultTags } from '../../src/providers/simulator/faults.ts';
import type { Asked } from './ask.ts';
import { create } from './client.ts';
import type { Fleet } from './fleet.ts';
import type { Slot } from './slots.ts';
import type { Verdict } from './judge.ts';
import { listOnlyEnv } from './list-only.ts';
import type { Pause } from './pause-points.ts';
import { settle } from './settle.ts';
import { onStage, type Stage, verdictOn } from './stage.ts';
import { watchTakeovers, type Takeover, type TakeoverWatch } from './takeover.ts';

export interface PauseResult {
  name: string;
  fired: boolean;
  creations: number;
  ended: string;
  /** From the pause to the job's end. */
  seconds: number;
  /** The job ended without its first worker. */
  takenOver: boolean;
  ok: boolean;
}

export interface PausesResult {
  pauses: PauseResult[];
  verdict: Verdict;
  takeovers: Takeover[];
}

const FIRE_MS = 60_000;
const END_MS = 150_000;
const AFTERMATH_MS = 3000;

/** Pauses of one kind of upstream: all of them with idempotency keys, or all of them `listOnly`. */
export async function fencing(options: {
  pauses: readonly Pause[];
  say: (line: string) => void;
  keep?: boolean;
}): Promise<PausesResult> {
  const { pauses, say, keep } = options;
  const lists = pauses.some(({ listOnly }) => listOnly);
  const setting = lists ? ({ dialect: 'openai', env: listOnlyEnv } as const) : {};
  return onStage(
    { mode: 'several', apis: 1, workers: 2, speed: 40, keep, say, ...setting },
    async (stage) => {
      const { fleet } = stage;
      const [api, victim, successor] = fleet.slots;
      if (!api || !victim || !successor) throw new Error('no processes');
      const watch = watchTakeovers(fleet.window);
      stage.over.addEventListener('abort', () => watch.stop());
      await fleet.start(api);
      const asked: Asked[] = [];
      const results: PauseResult[] = [];
      for (const [index, step] of pauses.entries()) {
        const entry = askFor(step, index);
        asked.push(entry);
        const result = await playPause(stage, watch, step, entry, { victim, successor });
        results.push(result);
        const { ok, seconds, creations, ended } = result;
        say(
          `${ok ? 'ok' : 'BAD'} after ${seconds.toFixed(1)} s, ${creations} creations, ${ended}: paused ${step.name}`,
        );
      }
      await fleet.start(successor);
      await settle(fleet, Promise.resolve(), say);
      const { verdict } = await verdictOn(stage, asked);
      return { pauses: results, verdict, takeovers: watch.takeovers };
    },
  );
}

function askFor(step: Pause, index: number): Asked {
  const prompt = `pause ${index} ${step.tags ?? ''}`.trim();
  return {
    index,
    prompt,
    style: 'key',
    faults: faultTags(prompt),
    cancelAfterMs: undefined,
    told: new Set(),
    requests: 0,
  };
}

async function playPause(
  { fleet, upstream, dir, over }: Stage,
  watch: TakeoverWatch,
  step: Pause,
  entry: Asked,
  { victim, successor }: { victim: Slot; successor: Slot },
): Promise<PauseResult> {
  const firedFile = join(dir, `fired-${entry.index}`);
  await fleet.start(victim, { point: { ...step.point, signal: 'SIGSTOP' }, firedFile });
  await create(entry, fleet.addresses, over);
  const fired = await until(() => existsSync(firedFile), FIRE_MS);
  const pausedAt = Date.now();
  if (fired) await watch.died(victim.claimsFile);
  await fleet.start(successor);
  const isOver = async () => (await statusOf(fleet, entry)) !== undefined;
  const takenOver = step.ms === undefined ? await until(isOver, END_MS) : (await pause(step.ms), false);
  victim.product?.signal('SIGCONT');
  const hasEnded = await until(isOver, END_MS);
  const seconds = (Date.now() - pausedAt) / 1000;
  // Whatever the woken process still had in mind shows by now.
  await pause(AFTERMATH_MS);
  const creations = (await upstream.ledger()).creations.filter((each) => each.prompt === entry.prompt).length;
  const ended = (await statusOf(fleet, entry)) ?? 'still open';
  const ok = fired && hasEnded && creations === 1 && ended === 'completed';
  await fleet.kill(victim, 'SIGTERM');
  await fleet.kill(successor, 'SIGTERM');
  return {
    name: step.name,
    fired,
    creations,
    ended,
    seconds,
    takenOver,
    ok: ok && (takenOver || step.ms !== undefined),
  };
}

async function statusOf(fleet: Fleet, entry: Asked): Promise<string | undefined> {
  const [row] = await fleet.window.query<{ status: string }>(
    `select status from jobs where id = $1 and finished_at is not null`,
    [entry.jobId],
  );
  return row?.status;
}

async function until(check: () => boolean | Promise<boolean>, ms: number): Promise<boolean> {
  const deadline = Date.now() + ms;
  while (Date.now() < deadline) {
    if (await check()) return true;
    await pause(100);
  }
  return false;
}
