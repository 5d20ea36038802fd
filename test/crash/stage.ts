import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WireDialectName } from '../../src/providers/simulator/wire.ts';
import { createFleet, type Fleet, type FleetOptions } from './fleet.ts';
import { collect, type Evidence, judge, type Verdict } from './judge.ts';
import type { Asked } from './ask.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** What every scenario plays on: a folder, the counting upstream, and the product. */
export interface Stage {
  dir: string;
  upstream: Upstream;
  fleet: Fleet;
  /** Aborts when the scenario is over, for whatever reason. */
  over: AbortSignal;
}

export interface StageOptions extends Pick<FleetOptions, 'mode' | 'apis' | 'workers'> {
  speed?: number;
  dialect?: WireDialectName;
  /** Settings of the product, beyond the usual ones. */
  env?: (upstream: Upstream, dir: string) => Promise<Record<string, string>> | Record<string, string>;
  /** Keeps logs and data at the end. */
  keep?: boolean | undefined;
  say: (line: string) => void;
}

const MAX_RUNNING = 8;

/** Sets the stage, plays, and clears it away. */
export async function onStage<Result>(
  options: StageOptions,
  play: (stage: Stage) => Promise<Result>,
): Promise<Result> {
  const { mode, apis, workers, speed, dialect } = options;
  const dir = await mkdtemp(join(tmpdir(), 'sora-crash-'));
  // PostgreSQL, under whatever user it runs, has to get in.
  await chmod(dir, 0o755);
  if (options.keep) options.say(`everything in ${dir}`);
  const upstream = await startUpstream({ ...(speed ? { speed } : {}), ...(dialect ? { dialect } : {}) });
  const over = new AbortController();
  let fleet: Fleet | undefined;
  try {
    fleet = await createFleet({
      mode,
      dir,
      env: { ...usualEnv(upstream), ...(await options.env?.(upstream, dir)) },
      ...(apis === undefined ? {} : { apis }),
      ...(workers === undefined ? {} : { workers }),
    });
    return await play({ dir, upstream, fleet, over: over.signal });
  } finally {
    over.abort();
    await fleet?.stop();
    await upstream.stop();
    if (!options.keep) await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** What the judge says of all that was asked. */
export async function verdictOn(
  { fleet, upstream }: Stage,
  asked: readonly Asked[],
): Promise<{ verdict: Verdict; evidence: Evidence }> {
  const evidence = await collect(fleet.window, asked, await upstream.ledger());
  const verdict = await judge(fleet.window, join(fleet.dataDir, 'storage'), evidence);
  return { verdict, evidence };
}

function usualEnv(upstream: Upstream): Record<string, string> {
  return {
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    DEFAULT_MODEL: 'openai/simulator',
    OPENAI_TIMEOUT: '10000',
    OPENAI_MAX_RETRIES: '20',
    SIMULATOR: 'false',
    MAX_RUNNING: String(MAX_RUNNING),
    // Some scenarios set a price, and judge the books too.
    UNPRICED_MODELS: 'allow',
  };
}
