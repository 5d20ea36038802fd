import { setTimeout as pause } from 'node:timers/promises';
import type { DialectName } from '../../../src/providers/openai-videos/dialects.ts';
import { SPELLINGS, type SpellingName } from '../provider/spellings.ts';
import { askForAll, type Wanted } from './clients.ts';
import { evidenceOf, judgeScene, notCompleted } from './judge-scenario.ts';
import type { Findings, PlayOptions, Scenario } from './scenario.ts';
import { allEnded, IN_DOUBT, onScene } from './scene.ts';

/** Both have a complete list and no idempotency: one sends JSON, the other forms. */
const DIALECTS = ['openai', 'vllm-omni'] as const satisfies readonly DialectName[];
const QUICK: readonly SpellingName[] = ['trimmed', 'nfc', 'size-with-asterisk', 'early'];

/** Longer than an absence is waited for, with room for the pauses between looks. */
const WATCHED_MS = 150_000;
const LOOK_MS = 15_000;
const ENDING_MS = 240_000;

/** Has all that lists write otherwise: both forms of an accent, line feeds, blanks in a row and at its end. */
const WORDS = 'A cafe\u0301 and a caf\u00E9  by the lake at dawn.\n\nSlow pan to the left, film grain. \n';

/**
 * The provider accepts, the answer is lost, and the list spells the video in its own way. Each spelling has an account
 * of its own, with one video more, whose answer arrives. Control: an account whose provider did not take the call.
 */
async function play(options: PlayOptions): Promise<Findings> {
  const spellings = options.quick ? QUICK : (Object.keys(SPELLINGS) as SpellingName[]);
  const dialects = options.quick ? DIALECTS.slice(0, 1) : DIALECTS;
  const controls = dialects.map((dialect) => accountOf(dialect, 'control', 'exact', 'drop'));
  const misses = dialects.flatMap((dialect) =>
    spellings.map((spelling) => accountOf(dialect, spelling, spelling, 'lose')),
  );
  const accounts = [...controls, ...misses];
  const names = accounts.map(([name]) => name);
  const scene = { mode: 'one', accounts: Object.fromEntries(accounts), play: options } as const;
  return onScene(scene, async (scene) => {
    const { fleet, say } = scene;
    await fleet.startAll();
    const wanted = (word: string): Wanted[] =>
      names.map((account) => ({ account, prompt: `${word} ${account}. ${WORDS}` }));
    await askForAll(scene, wanted('told'));
    await askForAll(scene, wanted('lost'));
    for (let passed = 0; passed < WATCHED_MS; passed += LOOK_MS) {
      await pause(LOOK_MS);
      const { jobs, state } = await evidenceOf(scene);
      const open = jobs.filter(({ stage }) => stage !== 'finished').length;
      say(`${state.videos.length} creations for ${jobs.length} jobs, ${open} open`);
    }
    // Who has no doubt left is only fetching files by now.
    await allEnded(scene, ENDING_MS, IN_DOUBT);
    const evidence = await evidenceOf(scene);
    const findings = await judgeScene(scene, evidence, { runs: names.length * 2, inDoubt: IN_DOUBT });
    // What was not taken has to be offered again, and what the list spells exactly has to be found.
    const sure = evidence.jobs.filter(({ connection }) => /-(control|exact)$/.test(connection));
    const failed = evidence.jobs.filter(({ status }) => status === 'failed');
    findings.other.push(...notCompleted([...new Set([...sure, ...failed])]));
    return findings;
  });
}

type Account = [string, { dialect: DialectName; rules: object }];

function accountOf(
  dialect: DialectName,
  name: string,
  spelling: SpellingName,
  act: 'lose' | 'drop',
): Account {
  const creates = [{ match: 'lost', acts: [{ do: act, ms: 100 }] }];
  return [`${dialect}-${name}`, { dialect, rules: { spelling, creates, renderMs: 3000 } }];
}

export const nearMisses: Scenario = {
  name: 'near-misses',
  about: 'an accepted create whose answer is lost, and a list that spells the video otherwise',
  quick: true,
  play,
};
