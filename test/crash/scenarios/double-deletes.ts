import { setTimeout as pause } from 'node:timers/promises';
import { askForAll, headersOf } from './clients.ts';
import { evidenceOf, judgeScene, wordsOf } from './judge-scenario.ts';
import type { Findings, PlayOptions, Scenario } from './scenario.ts';
import { allEnded, onScene, type Scene, until } from './scene.ts';

const JOBS = { quick: 12, whole: 40 };
/** Requests for each video, at the same moment or nearly so. */
const BURST = 6;
const SPREAD_MS = 25;
/** The share of the provider's answers that are 503 then and for a while. */
const UNAVAILABLE = 0.5;
const BUSY_MS = 10_000;
const PATIENCE_MS = 90_000;
const RUNNING_MS = 60_000;

/** Clients delete the same running videos at once, through several processes, at a provider that is often busy. */
async function play(options: PlayOptions): Promise<Findings> {
  const jobs = options.quick ? JOBS.quick : JOBS.whole;
  // Nothing ends by itself here: what is not stopped runs on.
  const rules = { renderMs: 3_600_000 };
  const accounts = { deletes: { dialect: 'vllm-omni', rules } } as const;
  const setting = { mode: 'several', apis: 2, workers: 2 } as const;
  return onScene({ ...setting, accounts, play: options }, async (scene) => {
    const { fleet, provider } = scene;
    await fleet.startAll();
    const wanted = Array.from({ length: jobs }, (_, n) => ({ account: 'deletes', prompt: `delete me ${n}` }));
    const ids = await askForAll(scene, wanted);
    await until(async () => (await countRendering(scene)) === jobs, RUNNING_MS);
    await provider.change({ unavailable: UNAVAILABLE });
    await Promise.all(ids.map((id, nth) => burst(scene, id, nth)));
    await pause(BUSY_MS);
    await provider.change({ unavailable: 0 });
    await until(async () => (await provider.state()).videos.every(({ stoppedAt }) => stoppedAt), PATIENCE_MS);
    await allEnded(scene, PATIENCE_MS / 2);
    const evidence = await evidenceOf(scene);
    const findings = await judgeScene(scene, evidence, { runs: jobs });
    const running = evidence.state.videos.filter(({ stoppedAt }) => stoppedAt === undefined);
    const unknown = evidence.jobs.filter(({ cancel_outcome: outcome }) => outcome === 'unknown');
    findings.stuck.push(
      ...running.map(({ id, prompt }) => `${id} (${wordsOf(prompt)}) runs on at the provider`),
      ...unknown.map(({ id, prompt }) => `${id} (${wordsOf(prompt)}) is cancelled without an outcome`),
    );
    return findings;
  });
}

async function countRendering({ fleet }: Scene): Promise<number> {
  const [row] = await fleet.window.query<{ count: string }>(
    `select count(*) from jobs where stage = 'rendering'`,
  );
  return Number(row?.count);
}

/** The native API cancels, or purges what has ended; the compatible one cancels and deletes at once. */
const WAYS = [
  (id: string) => `/v1/videos/${id}`,
  (id: string) => `/api/v1/videos/${id}`,
  (id: string) => `/v1/videos/${id}`,
  (id: string) => `/api/v1/videos/${id}?purge=true`,
];

/** What the answers are is not judged. */
async function burst({ fleet }: Scene, id: string, nth: number): Promise<void> {
  const addresses = fleet.addresses();
  const request = async (turn: number) => {
    await pause(Math.random() * SPREAD_MS);
    const path = WAYS[(turn + nth) % WAYS.length]?.(id) ?? '';
    const address = addresses[turn % addresses.length] ?? '';
    await fetch(address + path, { method: 'DELETE', headers: headersOf() }).catch(() => undefined);
  };
  await Promise.all(Array.from({ length: BURST }, (_, turn) => request(turn)));
}

export const doubleDeletes: Scenario = {
  name: 'double-deletes',
  about: 'bursts of deletes at several processes, on running videos, at a provider that is often busy',
  quick: true,
  play,
};
