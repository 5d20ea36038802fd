import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { faultTags } from '../../src/providers/simulator/faults.ts';
import type { WireDialectName } from '../../src/providers/simulator/wire.ts';
import type { Asked } from './ask.ts';
import { create } from './client.ts';
import type { CrashPoint } from './crash-point.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { collect, judge, type Verdict } from './judge.ts';
import { productEnv, runFolder, settle } from './run.ts';
import { watchTakeovers, type Takeover } from './takeover.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** A worker that is stopped (SIGSTOP) at one exact step, and wakes up when its successor has done the work. */
export interface Pause {
  name: string;
  point: CrashPoint;
  tags?: string;
  /** Wakes up after this, whatever the successor has done by then; else when the job has ended. */
  ms?: number;
  quick?: boolean;
}

const CREATE = '^POST /v1/videos$';
const CONTENT = '^GET /v1/videos/[^/]+/content';

export const PAUSES: readonly Pause[] = [
  {
    name: 'before the paid call',
    point: { on: 'sql', when: 'after', match: 'update "attempts".*"sent"' },
    quick: true,
  },
  {
    name: 'with the answer to the paid call in hand',
    point: { on: 'upstream', when: 'after', match: CREATE },
  },
  { name: 'with the admission open', point: { on: 'commit', when: 'before', match: 'job\\.started' } },
  {
    name: 'with polls claimed',
    point: { on: 'sql', when: 'after', match: 'update polls set due_at.*returning' },
  },
  {
    name: 'in the middle of a download',
    point: { on: 'upstream', when: 'headers', match: CONTENT, delayMs: 120 },
  },
  {
    name: 'before a file is stored',
    point: { on: 'rename', when: 'before', match: '/storage/videos/.*video\\.' },
  },
  { name: 'with the completion open', point: { on: 'commit', when: 'before', match: 'job\\.completed' } },
  {
    name: 'for three seconds, with the job just put back into the queue',
    tags: '[sim:429]',
    point: { on: 'commit', when: 'after', match: 'job\\.requeued' },
    ms: 3000,
  },
];

/** The same against an upstream without idempotency keys, whose list has to tell. */
export const LIST_PAUSES: readonly Pause[] = [
  {
    name: 'before the paid call, for longer than a list is waited for',
    point: { on: 'sql', when: 'after', match: 'update "attempts".*"sent"' },
  },
];

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

const FIRE_MS = 20_000;
const END_MS = 120_000;
const AFTERMATH_MS = 3000;

export async function fencing(options: {
  pauses: readonly Pause[];
  dialect?: WireDialectName;
  say: (line: string) => void;
  keep?: boolean;
}): Promise<PausesResult> {
  const dir = await runFolder();
  const upstream = await startUpstream({
    speed: 40,
    ...(options.dialect ? { dialect: options.dialect } : {}),
  });
  const giveUp = new AbortController();
  let fleet: Fleet | undefined;
  try {
    fleet = await createFleet({
      mode: 'several',
      dir,
      env: {
        ...productEnv(upstream),
        ...(options.dialect ? await listOnly(dir, upstream, options.dialect) : {}),
      },
      apis: 1,
      workers: 2,
    });
    const [api, victim, successor] = fleet.slots;
    if (!api || !victim || !successor) throw new Error('no processes');
    const { window, addresses } = fleet;
    const watch = watchTakeovers(window);
    await fleet.start(api);
    const asked: Asked[] = [];
    const results: PauseResult[] = [];
    for (const [index, step] of options.pauses.entries()) {
      const firedFile = join(dir, `fired-${index}`);
      await fleet.start(victim, { point: { ...step.point, signal: 'SIGSTOP' }, firedFile });
      const prompt = `pause ${index} ${step.tags ?? ''}`.trim();
      const entry: Asked = {
        index,
        prompt,
        style: 'key',
        faults: faultTags(prompt),
        cancelAfterMs: undefined,
        told: new Set(),
        requests: 0,
      };
      asked.push(entry);
      await create(entry, addresses, giveUp.signal);
      const fired = await until(() => existsSync(firedFile), FIRE_MS);
      const pausedAt = Date.now();
      if (fired) await watch.died(victim.claimsFile);
      await fleet.start(successor);
      const isOver = async () => (await statusOf(fleet!, entry)) !== undefined;
      const takenOver = step.ms === undefined ? await until(isOver, END_MS) : (await pause(step.ms), false);
      victim.product?.signal('SIGCONT');
      const ended = await until(isOver, END_MS);
      const seconds = (Date.now() - pausedAt) / 1000;
      await pause(AFTERMATH_MS);
      const creations = (await upstream.ledger()).creations.filter((each) => each.prompt === prompt).length;
      const status = (await statusOf(fleet, entry)) ?? 'still open';
      const ok =
        fired && ended && creations === 1 && status === 'completed' && (takenOver || step.ms !== undefined);
      results.push({ name: step.name, fired, creations, ended: status, seconds, takenOver, ok });
      options.say(
        `${ok ? 'ok' : 'BAD'} after ${seconds.toFixed(1)} s, ${creations} creations, ${status}: paused ${step.name}`,
      );
      await fleet.kill(victim, 'SIGTERM');
      await fleet.kill(successor, 'SIGTERM');
    }
    await fleet.start(successor);
    await settle(fleet, Promise.resolve(), options.say);
    watch.stop();
    const evidence = await collect(window, asked, await upstream.ledger());
    const verdict = await judge(window, join(fleet.dataDir, 'storage'), evidence);
    return { pauses: results, verdict, takeovers: watch.takeovers };
  } finally {
    giveUp.abort();
    await fleet?.stop();
    await upstream.stop();
    if (options.keep !== true) await rm(dir, { recursive: true, force: true });
  }
}

/** Settings for an upstream that knows no idempotency key and says nothing about itself: its list has to tell. */
async function listOnly(dir: string, upstream: Upstream, dialect: string): Promise<Record<string, string>> {
  const models = [{ id: 'simulator', seconds: [1, 2, 4], sizes: ['64x64'] }];
  const connection = {
    name: 'lists',
    adapter: 'openai-videos',
    baseUrl: `${upstream.url}/v1`,
    dialect,
    timeoutMs: 10_000,
    models,
  };
  const file = join(dir, 'providers.json');
  await writeFile(file, JSON.stringify({ connections: [connection], defaultModel: 'simulator' }));
  return { PROVIDERS_FILE: file, OPENAI_BASE_URL: '', DEFAULT_MODEL: '' };
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
