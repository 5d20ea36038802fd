import { askForAll } from './clients.ts';
import { evidenceOf, judgeScene, wordsOf } from './judge-scenario.ts';
import type { Findings, PlayOptions, Scenario } from './scenario.ts';
import { onScene, type Scene, until } from './scene.ts';

const JOBS = { quick: 200, whole: 600 };
const RENDER_MS = 45_000;
/** Twelve pages for all of them: the walk takes longer than a single call may. */
const PAGES = 12;
const PAGE_MS = 1000;
const GOAL_MS = 60_000;
const SUBMITTED_MS = 120_000;

interface Learned {
  upstream: string;
  at: Date;
}

/** Hundreds run at once, each page of the list takes a second: every end has to be learned within a minute. */
async function play(options: PlayOptions): Promise<Findings> {
  const jobs = options.quick ? JOBS.quick : JOBS.whole;
  const rules = { renderMs: RENDER_MS, pageMs: PAGE_MS, pageSize: Math.ceil(jobs / PAGES) };
  const accounts = { slow: { dialect: 'openai', rules } } as const;
  return onScene({ mode: 'one', accounts, maxRunning: jobs, play: options }, async (scene) => {
    const { fleet, provider, say } = scene;
    await fleet.startAll();
    await askForAll(
      scene,
      Array.from({ length: jobs }, (_, n) => ({ account: 'slow', prompt: `list ${n}` })),
      16,
    );
    await until(async () => (await provider.state()).videos.length >= jobs, SUBMITTED_MS);
    const { videos } = await provider.state();
    const lastEnd = Math.max(...videos.map(({ endsAt }) => endsAt));
    let said = -1;
    await until(
      async () => {
        const { length } = await learnedEnds(scene);
        if (length !== said) say(`${length} of ${jobs} ends learned`);
        said = length;
        return length >= jobs;
      },
      lastEnd + GOAL_MS - Date.now(),
    );
    const evidence = await evidenceOf(scene);
    // Fetching hundreds of files is another matter: their ends are what is judged.
    const findings = await judgeScene(scene, evidence, { runs: jobs, inDoubt: ['archiving', 'rendering'] });
    const at = new Map((await learnedEnds(scene)).map((row) => [row.upstream, row.at.getTime()]));
    findings.stuck.push(
      ...videos
        .filter(({ id, endsAt }) => (at.get(id) ?? Infinity) - endsAt > GOAL_MS)
        .map(
          ({ id, prompt }) =>
            `the end of ${id} (${wordsOf(prompt)}) was not learned within ${GOAL_MS / 1000} s`,
        ),
    );
    return findings;
  });
}

async function learnedEnds({ fleet }: Scene): Promise<Learned[]> {
  return fleet.window.query<Learned & Record<string, unknown>>(
    `select attempts.operation ->> 'id' as upstream, events.created_at as at from events join attempts using (job_id)
     where events.type = 'job.rendered'`,
  );
}

export const slowLists: Scenario = {
  name: 'slow-lists',
  about: 'hundreds running and a list of twelve pages, a second each: ends are learned within a minute',
  play,
};
