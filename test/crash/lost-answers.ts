import OpenAI from 'openai';
import { startLossyProxy } from '../lossy-proxy.ts';
import { type Asked, drawAsk } from './ask.ts';
import type { Verdict } from './judge.ts';
import { setPrice } from './price.ts';
import { API_KEY } from './product.ts';
import { createRandom } from './random.ts';
import { details, type Row, rowsOfVerdict, table, violations } from './report.ts';
import { settle } from './settle.ts';
import { onStage, verdictOn } from './stage.ts';

export interface LostAnswersOptions {
  seed: number;
  /** How many videos are created. */
  creates: number;
  say: (line: string) => void;
  keep?: boolean | undefined;
}

export interface LostAnswersResult {
  seed: number;
  seconds: number;
  /** Creating requests that reached the product, and answers that were lost on the way back. */
  requests: number;
  lost: number;
  verdict: Verdict;
}

const AT_ONCE = 8;
/** Of the product's answers; what the upstream loses comes on top. */
const LOST_RATE = 0.4;
/** Every clip is checked and pictured in a process of its own. */
const MOST_MS_PER_VIDEO = 4000;
const SETTLE_MS = 240_000;
const UPSTREAM_FAULTS = { 'lost-answer': 0.15, '500-accepted': 0.05, '500': 0.05 };

/**
 * Videos created through the real `openai` client, with its own retries and no key of ours, while answers are lost at
 * random on both sides: the product's to its client, the upstream's to the product. Nobody is killed.
 */
export async function lostAnswers(options: LostAnswersOptions): Promise<LostAnswersResult> {
  const startedAt = Date.now();
  const { seed, creates, say, keep } = options;
  const random = createRandom(`${seed}/lost-answers`);
  const env = () => ({ MAX_RUNNING: '50' });
  return onStage({ mode: 'one', speed: 50, env, say, keep }, async (stage) => {
    await stage.fleet.startAll();
    await setPrice(stage.fleet);
    const [address = ''] = stage.fleet.addresses();
    const dice = random.fork('proxy');
    const proxy = await startLossyProxy(address, () => dice.chance(LOST_RATE));
    const client = new OpenAI({ baseURL: `${proxy.url}/v1`, apiKey: API_KEY, maxRetries: 50 });
    const asked: Asked[] = Array.from({ length: creates }, (_, index) => {
      const { cancelAfterMs: _cancel, ...ask } = drawAsk(random, index, UPSTREAM_FAULTS);
      return { ...ask, cancelAfterMs: undefined, style: 'openai', told: new Set<string>(), requests: 0 };
    });
    const waiting = [...asked];
    const one = async () => {
      for (let entry = waiting.shift(); entry; entry = waiting.shift()) {
        await create(client, entry);
        if (entry.index % 100 === 99) say(`${entry.index + 1} created, ${proxy.counts.lost} answers lost`);
      }
    };
    const done = Promise.all(Array.from({ length: AT_ONCE }, one));
    await settle(stage.fleet, done, say, SETTLE_MS + creates * MOST_MS_PER_VIDEO);
    proxy.close();
    const { verdict } = await verdictOn(stage, asked);
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    return { seed, seconds, ...proxy.counts, verdict };
  });
}

async function create(client: OpenAI, entry: Asked): Promise<void> {
  const wish = { prompt: entry.prompt, size: '64x64', seconds: '1' } as unknown as OpenAI.VideoCreateParams;
  try {
    const { id } = await client.videos.create(wish);
    entry.jobId = id;
    entry.told.add(id);
  } catch (error) {
    entry.refused = String(error);
  }
}

export function lostAnswersHold({ verdict }: LostAnswersResult): boolean {
  return violations(verdict).length === 0 && verdict.acknowledged === verdict.asked;
}

export function tableOfLostAnswers(result: LostAnswersResult): string {
  const rows: Row[] = [
    ['seed', result.seed],
    ['took', `${result.seconds} s`],
    ['creating requests, answers lost', `${result.requests}, ${result.lost}`],
    ...rowsOfVerdict(result.verdict),
    ['every promise held', lostAnswersHold(result) ? 'yes' : 'NO'],
  ];
  return table(['lost answers', 'the openai client'], rows) + details(result.verdict);
}
