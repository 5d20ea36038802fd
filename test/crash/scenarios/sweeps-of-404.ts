import { setTimeout as pause } from 'node:timers/promises';
import { askForAll } from './clients.ts';
import { evidenceOf, judgeScene, notCompleted } from './judge-scenario.ts';
import type { Findings, PlayOptions, Scenario } from './scenario.ts';
import { allEnded, onScene } from './scene.ts';

const JOBS = 8;
const RENDER_MS = 75_000;
/** Of a video that has just been taken a 404 is not believed; later it might be. */
const OLD_MS = 40_000;
const SWEEP_MS = 6000;
const BETWEEN_MS = 8000;
const NO_FILES_MS = 60_000;
const PATIENCE_MS = 240_000;

/** A gateway loses its routes for seconds, twice; later all files are missing for a minute. Nothing was lost. */
async function play(options: PlayOptions): Promise<Findings> {
  const rules = { renderMs: RENDER_MS };
  const accounts = {
    lists: { dialect: 'openai', rules },
    'single-looks': { dialect: 'litellm', rules },
  } as const;
  return onScene({ mode: 'one', accounts, play: options }, async (scene) => {
    const { fleet, provider, say } = scene;
    await fleet.startAll();
    const names = Object.keys(accounts);
    const wanted = names.flatMap((account) =>
      Array.from({ length: JOBS }, (_, n) => ({ account, prompt: `sweep ${account} ${n}` })),
    );
    await askForAll(scene, wanted);
    await pause(OLD_MS);
    for (const statuses of ['404-html', '404-json'] as const) {
      say(`all looks are answered ${statuses}`);
      await provider.change({ statuses });
      await pause(SWEEP_MS);
      await provider.change({ statuses: 'right' });
      await pause(BETWEEN_MS);
    }
    await provider.change({ contents: '404-html' });
    await pause(RENDER_MS - OLD_MS - 2 * (SWEEP_MS + BETWEEN_MS) + NO_FILES_MS / 2);
    await provider.change({ contents: '404-json' });
    await pause(NO_FILES_MS / 2);
    await provider.change({ contents: 'right' });
    say('all files are there');
    await allEnded(scene, PATIENCE_MS);
    const evidence = await evidenceOf(scene);
    const findings = await judgeScene(scene, evidence, { runs: wanted.length });
    findings.other.push(...notCompleted(evidence.jobs));
    return findings;
  });
}

export const sweepsOf404: Scenario = {
  name: 'sweeps-of-404',
  about: 'every look answered 404 for seconds, every file for a minute: nothing was lost',
  play,
};
