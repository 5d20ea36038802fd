import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { DialectName } from '../../../src/providers/openai-videos/dialects.ts';
import { createFleet, type Fleet, type FleetOptions } from '../fleet.ts';
import { type Provider, startProvider } from '../provider/provider.ts';
import type { Rules } from '../provider/rules.ts';
import type { PlayOptions } from './scenario.ts';

/** What a scenario plays on: a folder, the provider, and the product. */
export interface Scene {
  dir: string;
  provider: Provider;
  fleet: Fleet;
  say: (line: string) => void;
}

export interface SceneOptions extends Pick<FleetOptions, 'mode' | 'apis' | 'workers' | 'clocks'> {
  /** Accounts at the provider; each is a connection of the same name, with one model `simulator`. */
  accounts: Readonly<Record<string, { dialect: DialectName; rules?: Partial<Rules> }>>;
  /** Longest wait for the provider's answer, in ms. */
  timeoutMs?: number;
  maxRunning?: number;
  /** Settings of the product, beyond the usual ones. */
  env?: Readonly<Record<string, string>>;
  play: PlayOptions;
}

/** What a second of video costs in every scenario, in USD. */
export const PRICE_USD = 0.1;

/** Sets the scene, plays, and clears it away. Processes of the product are not started yet. */
export async function onScene<Result>(
  options: SceneOptions,
  play: (scene: Scene) => Promise<Result>,
): Promise<Result> {
  const { mode, apis, workers, clocks } = options;
  const { keep, say } = options.play;
  const dir = await mkdtemp(join(tmpdir(), 'sora-crash-'));
  // PostgreSQL, under whatever user it runs, has to get in.
  await chmod(dir, 0o755);
  if (keep) say(`everything in ${dir}`);
  const rules = Object.entries(options.accounts).map(([name, account]) => [name, account.rules ?? {}]);
  const provider = await startProvider(Object.fromEntries(rules) as Record<string, Partial<Rules>>);
  let fleet: Fleet | undefined;
  try {
    fleet = await createFleet({
      mode,
      dir,
      env: await envOf(options, provider, dir),
      clocks,
      ...(apis === undefined ? {} : { apis }),
      ...(workers === undefined ? {} : { workers }),
    });
    return await play({ dir, provider, fleet, say });
  } finally {
    await fleet?.stop();
    await provider.stop();
    if (!keep) await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

async function envOf(
  options: SceneOptions,
  provider: Provider,
  dir: string,
): Promise<Record<string, string>> {
  const { timeoutMs = 10_000, maxRunning = 60 } = options;
  const models = [{ id: 'simulator', seconds: [1], sizes: ['64x64'], pricePerSecondUsd: PRICE_USD }];
  const connections = Object.entries(options.accounts).map(([name, { dialect }]) => ({
    name,
    adapter: 'openai-videos',
    baseUrl: `${provider.url}/${name}/v1`,
    dialect,
    timeoutMs,
    maxRunning,
    maxRetries: 20,
    models,
  }));
  const file = join(dir, 'providers.json');
  await writeFile(file, JSON.stringify({ connections }));
  return { PROVIDERS_FILE: file, SIMULATOR: 'false', ...options.env };
}

/** Whether something came true within so many ms; looked at now and then. */
export async function until(check: () => boolean | Promise<boolean>, ms: number): Promise<boolean> {
  const deadline = Date.now() + ms;
  while (Date.now() < deadline) {
    if (await check()) return true;
    await pause(250);
  }
  return check();
}

/** Whether no job is open any more, besides those in such stages, and nothing is owed to the provider. */
export async function allEnded({ fleet }: Scene, patienceMs: number, besides = ['none']): Promise<boolean> {
  return until(async () => {
    const [row] = await fleet.window.query<{ open: string }>(
      `select (select count(*) from jobs where (stage <> 'finished' and not stage = any($1::text[]))
          or cancel_outcome = 'unknown')
        + (select count(*) from attempts where to_jsonb(attempts) ->> 'duty' is not null) as open`,
      [besides],
    );
    return Number(row?.open) === 0;
  }, patienceMs);
}

/** The stages in which nobody knows whether the provider took a job. */
export const IN_DOUBT = ['unconfirmed', 'needs_attention'];
