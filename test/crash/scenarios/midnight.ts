import { setTimeout as pause } from 'node:timers/promises';
import { API_KEY } from '../product.ts';
import { bodyOf, createUser, headersOf } from './clients.ts';
import { evidenceOf, judgeScene, type SceneEvidence } from './judge-scenario.ts';
import { shiftDatabase } from './midnight-clock.ts';
import type { Findings, PlayOptions, Scenario } from './scenario.ts';
import { allEnded, onScene, PRICE_USD, type Scene } from './scene.ts';

const DAY_MS = 86_400_000;
/** The product has to be up by then, on a busy machine too. */
const BEFORE_MS = 120_000;
/** Clients ask from so long before midnight to so long after it. */
const ASKING_MS = { before: 8000, after: 10_000 };
const BUDGET_USD = 0.6;
const AFFORDED = Math.round(BUDGET_USD / PRICE_USD);
/** The other half of the people ask at the very stroke of midnight, one after the other. */
const PEOPLE = 24;
const STROKE = { beginMs: -60, everyMs: 5 };
const BATCH = 4;
const PATIENCE_MS = 240_000;
const SLOTS = ['api-1', 'api-2', 'worker-1', 'worker-2'];

/**
 * All clocks come to midnight while clients ask for batches and cancel as fast as they are let. A part of the videos
 * fails for nothing and gives its share of the budget back: to the day that it was taken from.
 */
async function play(options: PlayOptions): Promise<Findings> {
  const midnight = Date.now() + BEFORE_MS;
  const shiftMs = Math.ceil(midnight / DAY_MS) * DAY_MS - midnight;
  const clocks = Object.fromEntries(SLOTS.map((name) => [name, shiftMs]));
  const accounts = { midnight: { dialect: 'openai', rules: { renderMs: 2000 } } } as const;
  const setting = { mode: 'several', apis: 2, workers: 2, clocks, env: { BATCH_MAX_VIDEOS: '50' } } as const;
  return onScene({ ...setting, accounts, play: options }, async (scene) => {
    const { fleet, say } = scene;
    await shiftDatabase(fleet, shiftMs);
    await fleet.startAll();
    const users: string[] = [];
    for (let n = 0; n < PEOPLE; n += 1) users.push(await createUser(scene, `person-${n}`));
    await setBudget(scene);
    say(`${midnight - Date.now()} ms to midnight`);
    await at(midnight - ASKING_MS.before);
    const made = await Promise.all(
      users.map((key, nth) =>
        nth % 2 === 0
          ? askOnAndOn(scene, key, nth, midnight + ASKING_MS.after)
          : askAtTheStroke(scene, key, nth, midnight + STROKE.beginMs + nth * STROKE.everyMs),
      ),
    );
    await allEnded(scene, PATIENCE_MS / 2);
    const later = await Promise.all(
      users.map((key, nth) => (nth % 2 === 0 ? [] : askUntilRefused(scene, key, nth))),
    );
    await allEnded(scene, PATIENCE_MS);
    const evidence = await evidenceOf(scene);
    const findings = await judgeScene(scene, evidence, { runs: [...made, ...later].flat().length });
    findings.budgets.push(...overspent(evidence), ...(await negativeMeters(scene)));
    const days = new Set(evidence.jobs.map(({ created_at: at }) => at.toISOString().slice(0, 10)));
    if (days.size !== 2) findings.other.push(`the jobs are of ${[...days].join(', ')}: midnight was missed`);
    return findings;
  });
}

async function at(moment: number): Promise<void> {
  await pause(Math.max(0, moment - Date.now()));
}

async function setBudget({ fleet }: Scene): Promise<void> {
  const response = await fetch(`${fleet.addresses()[0]}/api/v1/admin/quotas/role/user`, {
    method: 'PUT',
    headers: headersOf(API_KEY),
    body: JSON.stringify({ usdPerDay: { hard: BUDGET_USD } }),
  });
  if (!response.ok) throw new Error(`no budget could be set: ${response.status} ${await response.text()}`);
}

/** Asks for a batch of such prompts; the ids of its jobs, none when it is refused. */
async function askBatch(
  { fleet }: Scene,
  key: string,
  nth: number,
  prompts: readonly string[],
): Promise<string[]> {
  const addresses = fleet.addresses();
  const videos = prompts.map((prompt) => bodyOf({ account: 'midnight', prompt }));
  const init = { method: 'POST', headers: headersOf(key), body: JSON.stringify({ videos }) };
  const address = addresses[nth % addresses.length] ?? '';
  const response = await fetch(`${address}/api/v1/videos/batch`, init).catch(() => undefined);
  if (!response?.ok) return [];
  return [...new Set((await response.text()).match(/\bvideo_[0-9a-z]{20,}\b/g))];
}

/** Batches until the time is over, refused ones too; some of what was accepted is cancelled. */
async function askOnAndOn(scene: Scene, key: string, nth: number, end: number): Promise<string[]> {
  const ids: string[] = [];
  for (let round = 0; Date.now() < end; round += 1) {
    const prompts = Array.from({ length: BATCH }, (_, item) => {
      const fails = (item + round) % 3 !== 0 ? '[fail]' : '';
      return `midnight ${nth} ${round} ${item} ${fails}`;
    });
    const made = await askBatch(scene, key, nth + round, prompts);
    ids.push(...made);
    const [first] = made;
    const address = scene.fleet.addresses()[0] ?? '';
    if (round % 4 === 0 && first !== undefined)
      await fetch(`${address}/api/v1/videos/${first}`, { method: 'DELETE', headers: headersOf(key) });
    await pause(made.length > 0 ? 100 : 300);
  }
  return ids;
}

/** All that the budget affords, at this moment; it fails for nothing. */
async function askAtTheStroke(scene: Scene, key: string, nth: number, moment: number): Promise<string[]> {
  const prompts = Array.from({ length: AFFORDED }, (_, item) => `stroke ${nth} ${item} [fail]`);
  await at(moment);
  return askBatch(scene, key, nth, prompts);
}

/** On the new day: as much as the budget lets through, twice as much at the most. */
async function askUntilRefused(scene: Scene, key: string, nth: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < AFFORDED * 2; n += 1) {
    const made = await askBatch(scene, key, n, [`later ${nth} ${n}`]);
    if (made.length === 0) break;
    ids.push(...made);
  }
  return ids;
}

/** By the provider's own count: what it would bill of the videos that one owner asked for on one day. */
function overspent({ jobs, attempts, state }: SceneEvidence): string[] {
  const jobOf = new Map(attempts.map(({ id, job_id }) => [id, job_id]));
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const spent = new Map<string, number>();
  for (const video of state.videos.filter(({ fails }) => !fails)) {
    const job = byId.get(jobOf.get(video.key) ?? '');
    if (!job) continue;
    const day = `${String(job['owner_id'])} on ${job.created_at.toISOString().slice(0, 10)}`;
    spent.set(day, (spent.get(day) ?? 0) + PRICE_USD);
  }
  return [...spent]
    .filter(([, usd]) => usd > BUDGET_USD + PRICE_USD / 2)
    .map(([day, usd]) => `${day}: $${usd.toFixed(2)} of $${BUDGET_USD}`);
}

async function negativeMeters({ fleet }: Scene): Promise<string[]> {
  const rows = await fleet.window.query<{ what: string }>(
    `select scope || ' ' || subject_id || ': ' || usd_day || ' micros, ' || videos_day || ' videos' as what from meters
     where usd_day < 0 or usd_month < 0 or usd_total < 0 or videos_day < 0 or seconds_month < 0`,
  );
  return rows.map(({ what }) => `a meter is negative: ${what}`);
}

export const midnight: Scenario = {
  name: 'midnight',
  about: 'a day of quotas ends while batches are made, fail and are cancelled',
  play,
};
