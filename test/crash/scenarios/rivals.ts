import sharp from 'sharp';
import type { CreateAct } from '../provider/rules.ts';
import { askFor, createUser } from './clients.ts';
import { evidenceOf, judgeScene, notCompleted } from './judge-scenario.ts';
import type { Findings, PlayOptions, Scenario } from './scenario.ts';
import { allEnded, IN_DOUBT, onScene, type Scene, until } from './scene.ts';

interface Round {
  words: string;
  hasPictures: boolean;
  /** What becomes of the first owner's call, and of the second's. */
  acts: readonly [CreateAct, CreateAct];
}

/** The product waits longer than that for an answer, and looks into the list while it waits. */
const LATE_MS = 30_000;
const TIMEOUT_MS = 40_000;
const WATCHED_MS = 150_000;
const ARRIVES_MS = 30_000;

const dropped: CreateAct = { do: 'drop' };
const lost: CreateAct = { do: 'lose' };
const late: CreateAct = { do: 'take', ms: LATE_MS };
const taken: CreateAct = { do: 'take' };

const ROUNDS: readonly Round[] = [
  { words: 'make it move', hasPictures: true, acts: [dropped, late] },
  { words: 'let it rain', hasPictures: true, acts: [lost, late] },
  { words: 'turn it round', hasPictures: true, acts: [late, dropped] },
  { words: 'zoom in', hasPictures: true, acts: [lost, lost] },
  { words: 'light a fire', hasPictures: true, acts: [lost, taken] },
  { words: 'a boat at dawn', hasPictures: false, acts: [dropped, late] },
  { words: 'a train at night', hasPictures: false, acts: [lost, late] },
];

/** Two owners want equal words, made of different pictures; one call is lost, the other's answer is late. */
async function play(options: PlayOptions): Promise<Findings> {
  const rounds = options.quick ? ROUNDS.slice(0, 2) : ROUNDS;
  const creates = rounds.map(({ words, acts }) => ({ match: words, acts }));
  const accounts = { rivals: { dialect: 'openai', rules: { creates, renderMs: 20_000 } } } as const;
  const setting = { mode: 'several', apis: 1, workers: 2, timeoutMs: TIMEOUT_MS } as const;
  return onScene({ ...setting, accounts, play: options }, async (scene) => {
    await scene.fleet.startAll();
    const owners = [await createUser(scene, 'alice'), await createUser(scene, 'bob')] as const;
    const pictures = [await pictureOf('red'), await pictureOf('blue')] as const;
    await Promise.all(
      rounds.map(async (round) => {
        for (const which of [0, 1] as const) {
          const picture = round.hasPictures ? pictures[which] : undefined;
          await askFor(scene, { account: 'rivals', prompt: round.words, key: owners[which], picture });
          await arrived(scene, round.words, which + 1);
        }
      }),
    );
    // What is in doubt now may be decided wrongly later: watched for longer than an absence is waited for.
    await allEnded(scene, WATCHED_MS);
    const evidence = await evidenceOf(scene);
    const findings = await judgeScene(scene, evidence, { runs: rounds.length * 2, inDoubt: IN_DOUBT });
    findings.other.push(...notCompleted(evidence.jobs.filter(({ status }) => status === 'failed')));
    return findings;
  });
}

/** The order of the calls decides which of them is lost. */
async function arrived({ provider }: Scene, words: string, count: number): Promise<void> {
  const isThere = async () =>
    (await provider.state()).calls.filter(({ prompt }) => prompt === words).length >= count;
  if (!(await until(isThere, ARRIVES_MS))) throw new Error(`call ${count} for "${words}" did not come`);
}

async function pictureOf(background: string): Promise<string> {
  const picture = sharp({ create: { width: 64, height: 64, channels: 3, background } });
  return `data:image/png;base64,${(await picture.png().toBuffer()).toString('base64')}`;
}

export const rivals: Scenario = {
  name: 'rivals',
  about: 'two owners, equal words, different pictures: one call is lost, the other answer late',
  play,
};
