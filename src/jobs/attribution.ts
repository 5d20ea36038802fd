import type { ListedVideo, Operation, Plan } from '../providers/provider.ts';
import { GRACE_MS, type Span } from './calls.ts';
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

/** What is known when a provider's list has been walked. */
export interface Sight {
  /** The attempt that is looked for. */
  wanted: Doubtful;
  /** The others of the same connection whose answers are out. */
  rivals: readonly Doubtful[];
  /** Videos that no attempt has, newest first. */
  unclaimed: readonly ListedVideo[];
  landmarks: readonly Landmark[];
  /** Why the list is known to show everything; undefined when it is not, or was not walked far enough. */
  completeness: Completeness | undefined;
  /** Our time, in ms, and the provider's at the same moment. */
  now: number;
  servedAt: number | undefined;
}

export type Completeness =
  /** The provider promises it. */
  | { by: 'promise' }
  /** It has shown so many of the latest accepted videos, all there were. */
  | { by: 'observation'; seen: number };

export type Verdict =
  | { outcome: 'found'; operation: Operation }
  /** Proved: the upstream took none of its calls. */
  | { outcome: 'absent'; completeness: Completeness }
  /** `candidates`: the videos that may be it, for a person to look at. */
  | { outcome: 'unknown'; why: string; candidates: readonly ListedVideo[] };

/**
 * Whose is what? By elimination: an attempt was not taken only when every video that could be its own belongs to another
 * attempt or was certainly there before; a difference in words never proves it. A video is an attempt's own when it carries
 * its marker, or fits it and no other. Pure.
 */
export function attribute(sight: Sight): Verdict {
  const { wanted, unclaimed } = sight;
  const marked = unclaimed.find(({ marker }) => marker === wanted.id);
  if (marked?.operation !== undefined) return { outcome: 'found', operation: marked.operation };

  const candidates = candidatesOf(sight, wanted);
  const found = claimOf(sight, candidates);
  if (found !== undefined) return { outcome: 'found', operation: found };

  const unknown = (why: string): Verdict => ({ outcome: 'unknown', why, candidates });
  if (wanted.isAlive) return unknown('a call may still be under way');
  if (candidates.length > 0) return unknown('the list shows videos that may be it');
  if (!sight.completeness) return unknown('the list is not known to show everything');
  if (sight.now < wanted.span.to + GRACE_MS) return unknown('the list may be late');
  return { outcome: 'absent', completeness: sight.completeness };
}

/** The videos that may be an attempt's own: not marked for another one, not proved to be of another time. */
function candidatesOf(sight: Sight, { id, span }: Doubtful): ListedVideo[] {
  const timeline = createTimeline({ ...sight, span });
  return sight.unclaimed.filter(({ marker, createdAt }) => {
    if (marker !== undefined) return marker === id;
    return createdAt === undefined || !(timeline.isOlder(createdAt) || timeline.isNewer(createdAt));
  });
}

/**
 * The candidate that belongs to the attempt without a doubt. Attempts with the very same request are interchangeable: as
 * many videos as there are, or fewer, are shared out among them in the order of their calls.
 */
function claimOf(sight: Sight, candidates: readonly ListedVideo[]): Operation | undefined {
  const { wanted, rivals } = sight;
  if (wanted.hasInputs) return undefined;
  const matches = candidates.filter((video) => isMatch(sight, video, wanted));
  if (matches.length === 0) return undefined;
  const competitors = rivals.filter((rival) =>
    matches.some((video) => video.fits(rival.plan) !== 'other' && candidatesOf(sight, rival).includes(video)),
  );
  const alike = (rival: Doubtful) => !rival.hasInputs && request(rival.plan) === request(wanted.plan);
  // A rival's answer may still come and say whose it is; and what may be another request's is for a person to tell apart.
  if (competitors.some((rival) => rival.isAlive || !alike(rival))) return undefined;
  const group = [wanted, ...competitors].toSorted(
    (a, b) => a.span.from - b.span.from || (a.id < b.id ? -1 : 1),
  );
  if (matches.length > group.length) return undefined;
  return matches.toReversed()[group.indexOf(wanted)]?.operation;
}

function isMatch(sight: Sight, video: ListedVideo, { plan, span }: Doubtful): boolean {
  if (video.createdAt === undefined || video.fits(plan) !== 'match') return false;
  return createTimeline({ ...sight, span }).isNear(video.createdAt);
}

function request({ request: fields, upstreamModel, source }: Plan): string {
  return JSON.stringify([
    upstreamModel,
    source ?? null,
    Object.entries(fields).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  ]);
}
