import type { Call, CreateAct, Made, Rules } from './rules.ts';
import { type Shown, SPELLINGS } from './spellings.ts';
import type { Wish } from './wish.ts';

/** The videos of one account, and all calls that came for it. */
export interface Account {
  name: string;
  rules: Rules;
  /** In the order of their acceptance. */
  videos: Made[];
  calls: Call[];
  wishes: Map<string, Wish>;
}

export function createAccount(name: string, rules: Rules): Account {
  return { name, rules, videos: [], calls: [], wishes: new Map() };
}

/** Takes a create, or not, as the rules say; returns what is to happen to its answer. */
export function take(account: Account, wish: Wish, key: string): { act: CreateAct; video: Made | undefined } {
  const { rules, calls, name } = account;
  const rule = rules.creates.find(({ match }) => wish.prompt.includes(match));
  const nth = rule ? calls.filter(({ prompt }) => prompt.includes(rule.match)).length : 0;
  const [from, to] = rules.createMs;
  const act = rule?.acts[nth] ?? { do: 'take', ms: from + Math.random() * (to - from) };
  const video = act.do === 'drop' ? undefined : accept(account, wish, key);
  const { prompt, fingerprint, hasPicture } = wish;
  calls.push({
    account: name,
    key,
    prompt,
    fingerprint,
    hasPicture,
    at: Date.now(),
    act: act.do,
    id: video?.id,
  });
  return { act, video };
}

function accept(account: Account, wish: Wish, key: string): Made {
  const { rules, videos, wishes, name } = account;
  const acceptedAt = Date.now();
  const video: Made = {
    id: `${name}_${videos.length + 1}`,
    account: name,
    key,
    prompt: wish.prompt,
    fingerprint: wish.fingerprint,
    acceptedAt,
    endsAt: acceptedAt + rules.renderMs,
    stoppedAt: undefined,
    deletes: 0,
    fails: wish.prompt.includes('[fail]'),
  };
  videos.push(video);
  wishes.set(video.id, wish);
  return video;
}

/** Stops what runs; what has ended stays as it is. */
export function stop(video: Made): void {
  video.deletes += 1;
  if (Date.now() < video.endsAt) video.stoppedAt ??= Date.now();
}

/** The video as the API shows it. */
export function show(account: Account, video: Made): Record<string, unknown> {
  const wish = account.wishes.get(video.id);
  const spelt: Shown = SPELLINGS[account.rules.spelling]({
    prompt: video.prompt,
    ...(wish ? { model: wish.model, size: wish.size, seconds: wish.seconds } : {}),
    created_at: Math.floor(video.acceptedAt / 1000),
  });
  const error = { code: 'server_error', message: 'It failed, as it was asked to.' };
  const status = statusOf(video);
  return {
    id: video.id,
    object: 'video',
    status,
    progress: status === 'completed' ? 100 : 10,
    ...spelt,
    ...(status === 'failed' ? { error } : {}),
  };
}

function statusOf(video: Made): string {
  if (video.stoppedAt !== undefined) return 'cancelled';
  if (Date.now() < video.endsAt) return 'in_progress';
  return video.fails ? 'failed' : 'completed';
}

/** A page of the list, newest first. */
export function page(account: Account, limit: number, after: string | null): Record<string, unknown> {
  const newest = account.videos.toReversed();
  const from = after === null ? 0 : newest.findIndex(({ id }) => id === after) + 1;
  const size = Math.min(limit, account.rules.pageSize);
  const data = newest.slice(from, from + size).map((video) => show(account, video));
  return { object: 'list', data, has_more: from + size < newest.length, last_id: data.at(-1)?.['id'] };
}
