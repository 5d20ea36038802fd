import type { ListedVideo } from '../providers/listed-video.ts';
import type { Operation, Plan } from '../providers/provider.ts';
import type { Span } from './calls.ts';
import { createTimeline, type Landmark } from './timeline.ts';

/** An attempt whose call may have been taken, as far as it matters for whose a listed video is. */
export interface Doubtful {
  id: string;
  plan: Plan;
  /** It has inputs that no list tells of (a picture): only a marker can make a video its own. */
  hasInputs: boolean;
  span: Span;
  /** One of its calls may still be on its way. */
  isAlive: boolean;
}

/** What a provider's list and our own attempts tell of the videos in it. */
export interface Evidence {
  /** The other attempts of the same connection whose answers are out. */
  rivals: readonly Doubtful[];
  /** Videos that no attempt has, newest first. */
  unclaimed: readonly ListedVideo[];
  landmarks: readonly Landmark[];
  /** Our time, in ms, and the provider's at the same moment. */
  now: number;
  servedAt: number | undefined;
}

/** The videos that may be an attempt's own: not marked for another one, not proved to be of another time. */
export function candidatesOf(evidence: Evidence, { id, span }: Doubtful): ListedVideo[] {
  const timeline = createTimeline({ ...evidence, span });
  return evidence.unclaimed.filter(({ marker, createdAt }) => {
    if (marker !== undefined) return marker === id;
    return createdAt === undefined || !(timeline.isOlder(createdAt) || timeline.isNewer(createdAt));
  });
}

/**
 * The video that belongs to the attempt without a doubt, as far as times and words tell. Everything that may be mixed up is
 * looked at together. Attempts with the very same request are interchangeable: as many videos as there are, or fewer, are
 * shared out among them in the order of their calls. Different requests have to be explained all of them, each by a video
 * that fits it, and in one way only.
 */
export function claimOf(evidence: Evidence, wanted: Doubtful): Operation | undefined {
  if (!matches(evidence, wanted).length) return undefined;
  const { attempts, videos } = mixedUp(evidence, wanted);
  // An answer may still come and say whose it is.
  if (attempts.some(({ id, isAlive }) => isAlive && id !== wanted.id)) return undefined;
  if (attempts.length > MOST) return undefined;
  const alike = attempts.filter((attempt) => kindOf(attempt) === kindOf(wanted));
  const own =
    alike.length === attempts.length
      ? matches(evidence, wanted)
      : sharedOut(evidence, alike, { attempts, videos });
  if (own.length > alike.length) return undefined;
  const turn = alike.toSorted((a, b) => a.span.from - b.span.from || (a.id < b.id ? -1 : 1)).indexOf(wanted);
  return own.toSorted((a, b) => (a.createdAt ?? 0) - (b.createdAt ?? 0))[turn]?.operation;
}

/** More attempts than this are not told apart by their words. */
const MOST = 50;

interface MixedUp {
  attempts: Doubtful[];
  videos: ListedVideo[];
}

/** The attempts, and the videos, that hang together with one by videos that may be either's. */
function mixedUp(evidence: Evidence, wanted: Doubtful): MixedUp {
  const attempts = [wanted];
  const videos = new Set<ListedVideo>();
  for (const attempt of attempts) {
    for (const video of candidatesOf(evidence, attempt)) {
      if (video.fits(attempt.plan) !== 'other') videos.add(video);
    }
    for (const rival of evidence.rivals) {
      if (attempts.includes(rival)) continue;
      const mayBeIts = candidatesOf(evidence, rival).some(
        (video) => videos.has(video) && video.fits(rival.plan) !== 'other',
      );
      if (mayBeIts) attempts.push(rival);
    }
  }
  return { attempts, videos: [...videos] };
}

/** The videos that fit an attempt and its time; none for one with inputs that no list tells of. */
function matches(evidence: Evidence, { plan, span, hasInputs, ...rest }: Doubtful): ListedVideo[] {
  if (hasInputs) return [];
  const timeline = createTimeline({ ...evidence, span });
  return candidatesOf(evidence, { plan, span, hasInputs, ...rest }).filter(
    ({ createdAt, fits }) => createdAt !== undefined && timeline.isNear(createdAt) && fits(plan) === 'match',
  );
}

/** The videos of some of the attempts, when all can be explained, and theirs in one way only; else none. */
function sharedOut(
  evidence: Evidence,
  some: readonly Doubtful[],
  { attempts, videos }: MixedUp,
): ListedVideo[] {
  if (attempts.length !== videos.length) return [];
  const fitting = new Map(attempts.map((attempt) => [attempt, matches(evidence, attempt)]));
  const explained = explain(fitting);
  if (!explained) return [];
  const own = some.flatMap((attempt) => explained.get(attempt) ?? []);
  const isOnlyWay = own.every((video) => {
    const others = new Map(fitting);
    for (const attempt of some)
      others.set(
        attempt,
        (fitting.get(attempt) ?? []).filter((each) => each !== video),
      );
    return !explain(others);
  });
  return isOnlyWay ? own : [];
}

/** A video of its own for every attempt; undefined when there is no such way. */
function explain(
  fitting: ReadonlyMap<Doubtful, readonly ListedVideo[]>,
): Map<Doubtful, ListedVideo> | undefined {
  const holders = new Map<ListedVideo, Doubtful>();
  const give = (attempt: Doubtful, tried: Set<ListedVideo>): boolean =>
    (fitting.get(attempt) ?? []).some((video) => {
      if (tried.has(video)) return false;
      tried.add(video);
      const holder = holders.get(video);
      if (holder && !give(holder, tried)) return false;
      holders.set(video, attempt);
      return true;
    });
  for (const attempt of fitting.keys()) if (!give(attempt, new Set())) return undefined;
  return new Map([...holders].map(([video, attempt]) => [attempt, video]));
}

/** The same for attempts that are interchangeable. */
function kindOf({ plan: { request, upstreamModel, source }, hasInputs, id }: Doubtful): string {
  if (hasInputs) return id;
  const fields = Object.entries(request).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([upstreamModel, source ?? null, fields]);
}
