import { setTimeout as pause } from 'node:timers/promises';
import { API_KEY } from '../product.ts';
import { bodyOf, createUser, headersOf } from './clients.ts';
import { evidenceOf, judgeScene, type SceneEvidence } from './judge-scenario.ts';
import { shiftDatabase } from './midnight-clock.ts';
import type { Findings, PlayOptions, Scenario } from './scenario.ts';
import { allEnded, onScene, PRICE_USD, type Scene } from './scene.ts';

const DAY_MS = 86_400_000;
/** The product needs some of it to start. */
const BEFORE_MS = 30_000;
const BUDGET_USD = 2;
const BATCH = 7;
const ASKING_MS = 60_000;
const PATIENCE_MS = 90_000;
const SLOTS = ['api-1', 'api-2', 'worker-1', 'worker-2'];

/**
 * All clocks come to midnight while clients ask for batches, cancel and retry as fast as they are let. A part of the
 * videos fails for nothing and gives its share of the budget back: to the day that it was taken from.
 */
async function play(options: PlayOptions): Promise<Findings> {
  const now = Date.now();
  const shiftMs = (Math.floor(now / DAY_MS) + 1) * DAY_MS - now - BEFORE_MS;
  const clocks = Object.fromEntries(SLOTS.map((name) => [name, shiftMs]));
  const accounts = { midnight: { dialect: 'openai', rules: { renderMs: 2000 } } } as const;
  const setting = { mode: 'several', apis: 2, workers: 2, clocks, env: { BATCH_MAX_VIDEOS: '50' } } as const;
  return onScene({ ...setting, accounts, play: options }, async (scene) => {
    const { fleet } = scene;
    await shiftDatabase(fleet, shiftMs);
    await fleet.startAll();
    const users = await Promise.all(['early', 'late', 'both'].map((name) => createUser(scene, name)));
    await setBudget(scene);
    const until = Date.now() + ASKING_MS;
    const answers = await Promise.all(users.map((key, nth) => askOnAndOn(scene, key, nth, until)));
    await allEnded(scene, PATIENCE_MS);
    const evidence = await evidenceOf(scene);
    const findings = await judgeScene(scene, evidence, { runs: answers.flat().length });
    findings.budgets.push(...overspent(evidence), ...(await negativeMeters(scene)));
    const days = new Set(evidence.jobs.map(({ created_at: at }) => at.toISOString().slice(0, 10)));
    if (days.size !== 2) findings.other.push(`the jobs are of ${[...days].join(', ')}: midnight was missed`);
    return findings;
  });
}

async function setBudget({ fleet }: Scene): Promise<void> {
  const response = await fetch(`${fleet.addresses()[0]}/api/v1/admin/quotas/role/user`, {
    method: 'PUT',
    headers: headersOf(API_KEY),
    body: JSON.stringify({ usdPerDay: { hard: BUDGET_USD } }),
  });
  if (!response.ok) throw new Error(`no budget could be set: ${response.status} ${await response.text()}`);
}

/** Batches until the time is over, refused ones too; some of what was accepted is cancelled. Ids of all jobs. */
async function askOnAndOn({ fleet }: Scene, key: string, nth: number, until: number): Promise<string[]> {
  const ids: string[] = [];
  for (let round = 0; Date.now() < until; round += 1) {
    const addresses = fleet.addresses();
    const address = addresses[(nth + round) % addresses.length] ?? '';
    const videos = Array.from({ length: BATCH }, (_, item) => {
      const fails = (item + round) % 3 !== 0 ? '[fail]' : '';
      return bodyOf({ account: 'midnight', prompt: `midnight ${nth} ${round} ${item} ${fails}` });
    });
    const init = { method: 'POST', headers: headersOf(key), body: JSON.stringify({ videos }) };
    const response = await fetch(`${address}/api/v1/videos/batch`, init).catch(() => undefined);
    if (response?.ok) {
      const made = [...new Set((await response.text()).match(/\bvideo_[0-9a-z]{20,}\b/g))];
      ids.push(...made);
      const [cancelled] = made;
      if (round % 4 === 0 && cancelled !== undefined)
        await fetch(`${address}/api/v1/videos/${cancelled}`, { method: 'DELETE', headers: headersOf(key) });
    }
    await pause(response?.ok ? 100 : 300);
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
