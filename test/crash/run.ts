import type { FaultRates } from '../../src/providers/simulator/faults.ts';
import { type Toll, unleash } from './chaos.ts';
import type { Mode } from './slots.ts';
import type { Verdict } from './judge.ts';
import { startLoad } from './load.ts';
import { setPrice } from './price.ts';
import { createRandom } from './random.ts';
import { settle } from './settle.ts';
import { onStage, verdictOn } from './stage.ts';
import { type Takeover, watchTakeovers } from './takeover.ts';
import type { Counts } from './upstream.ts';

export interface RunOptions {
  mode: Mode;
  seed: number;
  kills: number;
  jobs: number;
  faults: FaultRates;
  /** Mean time between two strokes, in ms. */
  everyMs?: number;
  say: (line: string) => void;
  /** Keeps logs and data at the end. */
  keep?: boolean | undefined;
}

export interface RunResult {
  mode: Mode;
  seed: number;
  seconds: number;
  toll: Toll;
  counts: Counts;
  verdict: Verdict;
  takeovers: Takeover[];
}

const OPEN_JOBS = 14;
/** One process has to come up in between, several cover for each other. */
const EVERY_MS: Record<Mode, number> = { one: 3000, several: 1500 };

/** Load, chaos, and then the judge. */
export async function randomKills(options: RunOptions): Promise<RunResult> {
  const startedAt = Date.now();
  const { mode, seed, kills, jobs, say } = options;
  const everyMs = options.everyMs ?? EVERY_MS[mode];
  const random = createRandom(`${seed}/${mode}`);
  say(`seed ${seed}`);
  return onStage({ mode, keep: options.keep, say }, async (stage) => {
    const { fleet, upstream } = stage;
    const { window, addresses } = fleet;
    await fleet.startAll();
    await setPrice(fleet);
    const watch = watchTakeovers(window);
    const load = startLoad({
      random: random.fork('load'),
      faults: options.faults,
      jobs,
      open: OPEN_JOBS,
      everyMs: (everyMs * kills) / jobs,
      addresses,
      window,
    });
    stage.over.addEventListener('abort', () => {
      load.end();
      load.abort();
      watch.stop();
    });
    const toll = await unleash({
      fleet,
      upstream,
      watch,
      random: random.fork('chaos'),
      kills,
      everyMs,
      say: (line) => say(`${line}, ${load.asked.length} asked`),
    });
    say('no more kills; everything has to come to its end');
    load.end();
    await settle(fleet, load.done, say);
    const { verdict } = await verdictOn(stage, load.asked);
    const counts = await upstream.counts();
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    return { mode, seed, seconds, toll, counts, verdict, takeovers: watch.takeovers };
  });
}
