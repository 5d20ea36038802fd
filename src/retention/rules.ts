/** What is kept for how long. Days may be `Infinity`: for ever. */
export interface RetentionRules {
  /** Of finished videos that no tag rule speaks of. */
  days: number;
  /** Of all videos with their previews together. */
  maxBytes: number;
  /** Days by tag; the longest among a video's tags holds, and instead of `days`. */
  tags: Readonly<Record<string, number>>;
  /** In the trash. */
  trashDays: number;
  /** Of reference images that nothing names, since they were last used. */
  assetDays: number;
}

export const VIDEO_RULES = ['trash', 'tag', 'age', 'bytes'] as const;

/** Why a video goes: its time in the trash is over, that of its tags, that of all videos; or the room is needed. */
export type VideoRule = (typeof VIDEO_RULES)[number];

/** What the rules look at in a video. */
export interface Candidate {
  id: string;
  /** Null while it is open: then no rule touches it. */
  finishedAt: Date | null;
  importedAt: Date | null;
  trashedAt: Date | null;
  pinned: boolean;
  /** Something still needs its row or its file: an answer from the provider, or an open job that is made from it. */
  needed: boolean;
  tags: readonly string[];
  storedBytes: number;
}

export const DAY_MS = 24 * 60 * 60_000;

/**
 * Which videos go now, and by which rule. This is the meaning of the rules; `due.repository.ts` says the same in SQL, and
 * a test holds the two together.
 */
export function expiring(
  videos: readonly Candidate[],
  rules: RetentionRules,
  now: number,
): Map<string, VideoRule> {
  const gone = new Map<string, VideoRule>();
  for (const video of videos) {
    const rule = isFree(video) ? ruleByTime(video, rules, now) : undefined;
    if (rule) gone.set(video.id, rule);
  }
  const left = videos.filter((video) => video.finishedAt && !gone.has(video.id));
  let excess = left.reduce((sum, video) => sum + video.storedBytes, 0) - rules.maxBytes;
  for (const video of left.filter((video) => mayMakeRoom(video, rules)).sort(byTurn)) {
    if (excess <= 0) break;
    gone.set(video.id, 'bytes');
    excess -= video.storedBytes;
  }
  return gone;
}

function isFree(video: Candidate): boolean {
  return video.finishedAt !== null && !video.pinned && !video.needed;
}

function ruleByTime(video: Candidate, rules: RetentionRules, now: number): VideoRule | undefined {
  if (video.trashedAt && now - video.trashedAt.getTime() >= rules.trashDays * DAY_MS) return 'trash';
  const tagged = daysByTag(video, rules);
  if (now - agedAt(video) < (tagged ?? rules.days) * DAY_MS) return undefined;
  return tagged === undefined ? 'age' : 'tag';
}

/** Undefined when no rule speaks of its tags. */
function daysByTag(video: Candidate, rules: RetentionRules): number | undefined {
  const days = video.tags.filter((tag) => Object.hasOwn(rules.tags, tag)).map((tag) => rules.tags[tag] ?? 0);
  return days.length === 0 ? undefined : Math.max(...days);
}

/** A video is as old as its stay here: an old one that was imported today is new. */
function agedAt(video: Candidate): number {
  return Math.max(video.finishedAt?.getTime() ?? 0, video.importedAt?.getTime() ?? 0);
}

/** `never` keeps a video from going for its room, too; but not one that was thrown away. */
function mayMakeRoom(video: Candidate, rules: RetentionRules): boolean {
  const kept = daysByTag(video, rules) === Infinity && video.trashedAt === null;
  return isFree(video) && !kept && video.storedBytes > 0;
}

/** What is in the trash first, the longest there first; then the oldest. */
function byTurn(a: Candidate, b: Candidate): number {
  const trashed = Number(b.trashedAt !== null) - Number(a.trashedAt !== null);
  const time = (video: Candidate) => video.trashedAt?.getTime() ?? agedAt(video);
  return trashed || time(a) - time(b) || (a.id < b.id ? -1 : 1);
}

/** Reads `temp=7,keep=never`. Throws an `Error` that says what is wrong. */
export function parseTagRules(text: string): Record<string, number> {
  const rules: Record<string, number> = {};
  for (const part of text.split(',').map((each) => each.trim())) {
    if (part === '') continue;
    const [, tag, stay = ''] = /^(.{1,64}?)\s*=\s*(never|\d{1,5})$/.exec(part) ?? [];
    if (tag === undefined) throw new Error(`not a tag with days or never: ${part}`);
    if (Object.hasOwn(rules, tag)) throw new Error(`${tag} is there twice`);
    rules[tag] = stay === 'never' ? Infinity : Number(stay);
  }
  return rules;
}

const UNITS = ['', 'k', 'm', 'g', 't'];

/** Reads `500GB` (powers of 1000), `500GiB` (powers of 1024) or plain bytes. Throws for anything else. */
export function parseBytes(text: string): number {
  const [, number = '', unit = '', binary] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i.exec(text) ?? [];
  const bytes = Math.round(Number(number) * (binary ? 1024 : 1000) ** UNITS.indexOf(unit.toLowerCase()));
  if (number === '' || !Number.isSafeInteger(bytes) || bytes < 1) throw new Error(`not a size: ${text}`);
  return bytes;
}
