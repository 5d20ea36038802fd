import { sha256 } from '../../core/ids.ts';

/**
 * Everything that can be made to go wrong, by `[sim:NAME]` in a prompt or by a probability in the settings.
 * The one list: the code, `--help`, the docs and the tests read it.
 */
export const FAULTS = {
  refused: { stage: 'submit', does: 'The request is refused as invalid (400); nothing is accepted.' },
  '429': {
    stage: 'submit',
    does: 'The first two sends are throttled (429, Retry-After: 1); the third is accepted.',
  },
  '500': {
    stage: 'submit',
    does: 'The first send is answered 500 and nothing is accepted; the next is accepted.',
  },
  '500-accepted': { stage: 'submit', does: 'The request is accepted, and the answer is 500 all the same.' },
  'lost-answer': { stage: 'submit', does: 'The request is accepted, but its answer never arrives.' },
  slow: { stage: 'run', does: 'It takes ten times as long.' },
  late: { stage: 'run', does: 'It stands at 99 % for ten minutes (at speed 1) and then succeeds.' },
  stuck: { stage: 'run', does: 'It stops at 37 % and stays there for ever.' },
  fail: {
    stage: 'run',
    does: 'It fails half-way with `simulated_failure` (by chance: with `server_error`, retryable).',
  },
  moderation: { stage: 'run', does: 'It fails early with `moderation_blocked`.' },
  'unknown-status': { stage: 'run', does: 'While it runs, its status is a word that nobody knows.' },
  'poll-500': { stage: 'run', does: 'Status calls are answered 500 during the middle third of the run.' },
  forgotten: { stage: 'run', does: 'After half of the run the upstream no longer knows it (404).' },
  'no-cancel': { stage: 'cancel', does: 'It refuses to be stopped.' },
  'no-file': { stage: 'content', does: 'It completes, but there is no file.' },
  cut: { stage: 'content', does: 'A download from the start breaks off half-way; resuming it works.' },
  truncated: { stage: 'content', does: 'Downloads always end in the middle of the file.' },
  corrupt: { stage: 'content', does: 'The file has the right length, but is no video.' },
} as const satisfies Record<
  string,
  { stage: 'submit' | 'run' | 'cancel' | 'content'; /** One sentence, public. */ does: string }
>;

export type FaultName = keyof typeof FAULTS;

/** How often each fault strikes by chance: 0 (never) to 1 (always). */
export type FaultRates = Partial<Record<FaultName, number>>;

export function isFaultName(text: unknown): text is FaultName {
  return typeof text === 'string' && Object.hasOwn(FAULTS, text);
}

/** The faults a prompt asks for: every known `[sim:NAME]` in it. */
export function faultTags(prompt: string): FaultName[] {
  const names = Array.from(prompt.matchAll(/\[sim:([a-z0-9-]+)\]/gi), (match) => match[1]?.toLowerCase());
  return [...new Set(names.filter(isFaultName))];
}

/**
 * Parses `NAME=RATE,NAME=RATE`, such as `429=0.1,lost-answer=0.02`; a name alone means 1.
 * Throws a `RangeError` whose message names the entry at fault and the known names.
 */
export function parseFaultRates(text: string): FaultRates {
  const rates: FaultRates = {};
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    const [name, rateText = '1'] = entry.split('=').map((part) => part.trim());
    const rate = rateText === '' ? Number.NaN : Number(rateText);
    if (!isFaultName(name)) {
      throw new RangeError(`no such fault: "${name}" (known: ${Object.keys(FAULTS).join(', ')})`);
    }
    if (!(rate >= 0 && rate <= 1)) throw new RangeError(`not a rate from 0 to 1: "${entry}"`);
    rates[name] = rate;
  }
  return rates;
}

/** A number in [0, 1) that depends on nothing but its arguments. */
export function chance(...of: (string | number)[]): number {
  return Number.parseInt(sha256(of.join('\n')).slice(0, 12), 16) / 2 ** 48;
}

/** Which faults beyond submitting will strike one video: those of its prompt and those drawn for its key. */
export function drawFaults(prompt: string, key: string, seed: number, rates: FaultRates): FaultName[] {
  const drawn = (Object.keys(rates) as FaultName[]).filter(
    (name) => FAULTS[name].stage !== 'submit' && chance(seed, name, key) < (rates[name] ?? 0),
  );
  return [...new Set([...faultTags(prompt).filter((name) => FAULTS[name].stage !== 'submit'), ...drawn])];
}
