import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askForAll } from './clients.ts';
import { evidenceOf, judgeScene, notCompleted, type SceneEvidence } from './judge-scenario.ts';
import type { Findings, PlayOptions, Scenario } from './scenario.ts';
import { allEnded, onScene } from './scene.ts';

const JOBS = { quick: 3, whole: 12 };
const PATIENCE_MS = 180_000;

/** Every first download breaks off, then another encoding of the same length lies there. */
async function play(options: PlayOptions): Promise<Findings> {
  const jobs = options.quick ? JOBS.quick : JOBS.whole;
  const rules = { replacesFiles: true };
  const accounts = {
    etags: { dialect: 'openai', rules: { ...rules, etags: true } },
    'no-etags': { dialect: 'openai', rules: { ...rules, etags: false } },
  } as const;
  return onScene({ mode: 'one', accounts, play: options }, async (scene) => {
    const { fleet } = scene;
    await fleet.startAll();
    const wanted = Object.keys(accounts).flatMap((account) =>
      Array.from({ length: jobs }, (_, n) => ({ account, prompt: `mixed ${account} ${n}` })),
    );
    await askForAll(scene, wanted);
    await allEnded(scene, PATIENCE_MS);
    const evidence = await evidenceOf(scene, { files: true });
    const findings = await judgeScene(scene, evidence, { runs: wanted.length });
    findings.other.push(
      ...notCompleted(evidence.jobs),
      ...(await mixed(join(fleet.dataDir, 'storage'), evidence)),
    );
    return findings;
  });
}

/** Files in storage that are none of the provider's encodings. */
async function mixed(storageDir: string, { jobs, attempts, state }: SceneEvidence): Promise<string[]> {
  const found: string[] = [];
  for (const job of jobs) {
    const key = job.result?.files['video']?.key;
    if (key === undefined) continue;
    const bytes = await readFile(join(storageDir, key));
    const hash = createHash('sha256').update(bytes).digest('hex');
    const id = attempts.find(({ job_id, operation }) => job_id === job.id && operation)?.operation?.id ?? '';
    if (!state.files[id]?.includes(hash))
      found.push(`the file of ${job.id} (${job.prompt}) is none of the provider's`);
  }
  return found;
}

export const mixedFiles: Scenario = {
  name: 'mixed-files',
  about: 'downloads break off, and another encoding of the same length lies there afterwards',
  quick: true,
  play,
};
