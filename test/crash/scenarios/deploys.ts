import { setTimeout as pause } from 'node:timers/promises';
import type { Slot } from '../slots.ts';
import { askFor } from './clients.ts';
import { evidenceOf, judgeScene, notCompleted } from './judge-scenario.ts';
import type { Findings, PlayOptions, Scenario } from './scenario.ts';
import { allEnded, IN_DOUBT, onScene, type Scene } from './scene.ts';

const JOBS = { quick: 15, whole: 45 };
const EVERY_MS = 1200;
/** The provider's slowest answer has to fit into it, and the product's time-out too. */
const TIMEOUT_MS = 8000;
/** From SIGTERM to the end of the process: a call is heard to its time-out, then everything is put down. */
const EXIT_MS = 18_000;
const PATIENCE_MS = 120_000;

/** Workers are replaced one after the other, all the time, while creates take seconds at a provider without any help. */
async function play(options: PlayOptions): Promise<Findings> {
  const jobs = options.quick ? JOBS.quick : JOBS.whole;
  const accounts = { deploys: { dialect: 'litellm', rules: { createMs: [2000, 5000] } } } as const;
  const setting = { mode: 'several', apis: 1, workers: 2, timeoutMs: TIMEOUT_MS } as const;
  return onScene({ ...setting, accounts, play: options }, async (scene) => {
    const { fleet } = scene;
    await fleet.startAll();
    let over = false;
    const slow: string[] = [];
    const rolling = roll(scene, slow, () => over);
    for (let n = 0; n < jobs; n += 1) {
      await askFor(scene, { account: 'deploys', prompt: `deploy ${n}` });
      await pause(EVERY_MS);
    }
    over = true;
    await rolling;
    await fleet.startAll();
    await allEnded(scene, PATIENCE_MS, IN_DOUBT);
    const evidence = await evidenceOf(scene);
    const findings = await judgeScene(scene, evidence, { runs: jobs, inDoubt: IN_DOUBT });
    findings.other.push(...slow, ...(await doubts(scene)), ...notCompleted(evidence.jobs));
    return findings;
  });
}

/** A rolling restart without an end; what took too long to exit is noted. */
async function roll({ fleet, say }: Scene, slow: string[], isOver: () => boolean): Promise<void> {
  const workers = fleet.slots.filter(({ role }) => role === 'worker');
  for (let nth = 0; !isOver(); nth += 1) {
    const slot = workers[nth % workers.length];
    if (!slot) return;
    const tookMs = await replace(slot, (each) => fleet.start(each));
    say(`${slot.name} took ${(tookMs / 1000).toFixed(1)} s to exit`);
    if (tookMs > EXIT_MS) slow.push(`${slot.name} took ${(tookMs / 1000).toFixed(1)} s to exit`);
    await pause(EVERY_MS);
  }
}

async function replace(slot: Slot, start: (slot: Slot) => Promise<void>): Promise<number> {
  const { product } = slot;
  const toldAt = performance.now();
  product?.signal('SIGTERM');
  const limit = setTimeout(() => product?.signal('SIGKILL'), EXIT_MS * 2);
  await product?.gone;
  clearTimeout(limit);
  const tookMs = performance.now() - toldAt;
  await start(slot);
  return tookMs;
}

async function doubts({ fleet }: Scene): Promise<string[]> {
  const rows = await fleet.window.query<{ job: string; at: Date }>(
    `select job_id as job, created_at as at from events where type = 'job.unconfirmed' order by id`,
  );
  return rows.map(({ job, at }) => `${job} became doubtful at ${at.toISOString()}`);
}

export const deploys: Scenario = {
  name: 'deploys',
  about: 'rolling restarts (SIGTERM) while creates take 2 to 5 s, without list and idempotency',
  quick: true,
  play,
};
