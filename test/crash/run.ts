import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultRates } from '../../src/providers/simulator/faults.ts';
import { type Toll, unleash } from './chaos.ts';
import { createFleet, type Fleet, type Mode } from './fleet.ts';
import { collect, judge, type Verdict } from './judge.ts';
import { startLoad } from './load.ts';
import { createRandom } from './random.ts';
import { type Takeover, watchTakeovers } from './takeover.ts';
import { type Counts, startUpstream, type Upstream } from './upstream.ts';

export interface RunOptions {
  mode: Mode;
  seed: number;
  kills: number;
  jobs: number;
  faults: FaultRates;
  say: (line: string) => void;
  /** Keeps logs and data at the end. */
  keep?: boolean;
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

const MAX_RUNNING = 8;
const OPEN_JOBS = 14;
/** Mean time between two strokes, in ms: one process has to come up in between, several cover for each other. */
const EVERY_MS: Record<Mode, number> = { one: 3000, several: 1500 };
/** After the last kill everything comes to its end within this. */
const SETTLE_MS = 240_000;

/** A folder that PostgreSQL, under whatever user it runs, can get into. */
export async function runFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sora-crash-'));
  await chmod(dir, 0o755);
  return dir;
}

export function productEnv(upstream: Upstream, more: Record<string, string> = {}): Record<string, string> {
  return {
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    DEFAULT_MODEL: 'openai/simulator',
    OPENAI_TIMEOUT: '10000',
    OPENAI_MAX_RETRIES: '20',
    SIMULATOR: 'false',
    MAX_RUNNING: String(MAX_RUNNING),
    ...more,
  };
}

/** Load, chaos, and then the judge. */
export async function randomKills(options: RunOptions): Promise<RunResult> {
  const startedAt = Date.now();
  const { mode, say } = options;
  const random = createRandom(`${options.seed}/${mode}`);
  const dir = await runFolder();
  say(`seed ${options.seed}, everything in ${dir}`);
  const upstream = await startUpstream();
  let fleet: Fleet | undefined;
  try {
    fleet = await createFleet({ mode, dir, env: productEnv(upstream) });
    await fleet.startAll();
    const { window, addresses } = fleet;
    const watch = watchTakeovers(window);
    const load = startLoad({
      random: random.fork('load'),
      faults: options.faults,
      jobs: options.jobs,
      open: OPEN_JOBS,
      everyMs: (EVERY_MS[mode] * options.kills) / options.jobs,
      addresses,
      window,
    });
    const toll = await unleash({
      fleet,
      upstream,
      watch,
      random: random.fork('chaos'),
      kills: options.kills,
      everyMs: EVERY_MS[mode],
      say: (line) => say(`${line}, ${load.asked.length} asked`),
    });
    say('no more kills; everything has to come to its end');
    load.end();
    await settle(fleet, load.done, say);
    load.abort();
    watch.stop();
    const evidence = await collect(window, load.asked, await upstream.ledger());
    const verdict = await judge(window, join(fleet.dataDir, 'storage'), evidence);
    const counts = await upstream.counts();
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    return { mode, seed: options.seed, seconds, toll, counts, verdict, takeovers: watch.takeovers };
  } finally {
    await fleet?.stop();
    await upstream.stop();
    if (options.keep !== true) await rm(dir, { recursive: true, force: true });
  }
}

/** Waits until every request is answered and every job final, and what was cancelled is settled. */
export async function settle(
  fleet: Fleet,
  done: Promise<unknown>,
  say: (line: string) => void,
): Promise<void> {
  const deadline = Date.now() + SETTLE_MS;
  let answered = false;
  void done.finally(() => (answered = true));
  for (let round = 1; Date.now() < deadline; round += 1) {
    const [row] = await fleet.window.query<{ open: string; unsettled: string }>(
      `select count(*) filter (where finished_at is null) as open,
        count(*) filter (where cancel_outcome = 'unknown') as unsettled from jobs`,
    );
    if (answered && Number(row?.open) === 0 && Number(row?.unsettled) === 0) return;
    if (round % 20 === 0)
      say(`${row?.open} open, ${row?.unsettled} cancelled without word from the upstream`);
    await pause(500);
  }
}
