import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Slot } from '../slots.ts';
import { askFor } from './clients.ts';
import { evidenceOf, judgeScene, notCompleted } from './judge-scenario.ts';
import type { Findings, PlayOptions, Scenario } from './scenario.ts';
import { allEnded, onScene, type Scene } from './scene.ts';

/** Three seconds are borne, a minute and more is not: such a process must take no work, and say so. */
const CLOCKS = { 'worker-1': 3000, 'worker-2': -3000, 'worker-3': 70_000, 'worker-4': -70_000 } as const;
const REFUSED: ReadonlySet<string> = new Set(['worker-3', 'worker-4']);
const JOBS = { quick: 12, whole: 30 };
const EVERY_MS = 1500;
/** Longer than a silent worker is waited for. */
const PAUSE_MS = 11_000;
const PATIENCE_MS = 200_000;

/** The provider takes its time, and now and then an answer or a call is lost; workers are paused meanwhile. */
async function play(options: PlayOptions): Promise<Findings> {
  const jobs = options.quick ? JOBS.quick : JOBS.whole;
  const creates = [
    { match: 'lost', acts: [{ do: 'lose', ms: 500 }] },
    { match: 'dropped', acts: [{ do: 'drop', ms: 500 }] },
    { match: 'slow', acts: [{ do: 'take', ms: 9000 }] },
  ] as const;
  const rules = { creates, createMs: [1000, 3000], renderMs: 20_000 } as const;
  const accounts = { clocks: { dialect: 'openai', rules } } as const;
  const setting = { mode: 'several', apis: 1, workers: 4, clocks: CLOCKS } as const;
  return onScene({ ...setting, accounts, play: options }, async (scene) => {
    const { fleet } = scene;
    await fleet.startAll();
    const wrong = await wronglyReady(scene);
    const able = fleet.slots.filter(({ name }) => name === 'worker-1' || name === 'worker-2');
    let over = false;
    const pausing = pauseInTurns(able, () => over);
    const kinds = ['slow', 'plain', 'lost', 'slow', 'dropped', 'plain'];
    for (let n = 0; n < jobs; n += 1) {
      await askFor(scene, { account: 'clocks', prompt: `${kinds[n % kinds.length]} clock ${n}` });
      await pause(EVERY_MS);
    }
    over = true;
    await pausing;
    await allEnded(scene, PATIENCE_MS);
    const evidence = await evidenceOf(scene);
    const findings = await judgeScene(scene, evidence, { runs: jobs });
    findings.other.push(...wrong, ...(await workTaken(scene)), ...notCompleted(evidence.jobs));
    return findings;
  });
}

/** Processes with a clock that is too wrong, and `/ready` does not say so; or the other way round. */
async function wronglyReady({ fleet }: Scene): Promise<string[]> {
  // One look at the database's clock may come after the process has begun to listen.
  await pause(3000);
  const looked = fleet.slots.map(async ({ name, url }) => {
    const answer = await fetch(`${url}/ready`).catch(() => undefined);
    if (!answer) return [];
    const isRefused = REFUSED.has(name);
    if (answer.ok === !isRefused) return [];
    return [
      `${name}, ${fleet.slots.find((slot) => slot.name === name)?.clockMs} ms ahead: /ready is ${answer.status}`,
    ];
  });
  return (await Promise.all(looked)).flat();
}

async function pauseInTurns(slots: readonly Slot[], isOver: () => boolean): Promise<void> {
  for (let nth = 0; !isOver(); nth += 1) {
    const product = slots[nth % slots.length]?.product;
    product?.signal('SIGSTOP');
    await pause(PAUSE_MS);
    product?.signal('SIGCONT');
    await pause(PAUSE_MS / 2);
  }
}

/** What those that must not work have written down as taken. */
async function workTaken({ fleet }: Scene): Promise<string[]> {
  const slots = fleet.slots.filter(({ name }) => REFUSED.has(name));
  const lines = slots.map(async ({ name, claimsFile }) => {
    const count = (await readFile(claimsFile, 'utf8').catch(() => '')).split('\n').length - 1;
    return count > 0 ? [`${name} took work ${count} times`] : [];
  });
  return (await Promise.all(lines)).flat();
}

export const skewedClocks: Scenario = {
  name: 'skewed-clocks',
  about: 'workers whose clocks are 3 s off go on; those that are 70 s off take no work and say so',
  play,
};
