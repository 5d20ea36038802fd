import type { Span } from './calls.ts';

/** A video of the same provider whose call and answer are known: it tells how the provider's clock runs. */
export interface Landmark {
  /** By the provider's clock, in ms. */
  createdAt: number;
  /** It was created between these times by our clock, in ms. */
  from: number;
  to: number;
}

/** Where a moment of the provider's clock lies beside the calls of an attempt. */
export interface Timeline {
  /** Proved: the video was there before the first call went out. */
  isOlder(createdAt: number): boolean;
  /** Proved: the video was created when the last call had long ended. */
  isNewer(createdAt: number): boolean;
  /** It fits: a video of that time may be taken for the attempt's if everything else fits too. */
  isNear(createdAt: number): boolean;
}

interface Clocks {
  span: Span;
  /** Our time, in ms. */
  now: number;
  /** The provider's time at `now`, where it says it. */
  servedAt: number | undefined;
  landmarks: readonly Landmark[];
}

/** Times on the wire are whole seconds. */
const ROUNDING_MS = 1000;
/** What may lie between the clocks of two videos: drift, or two machines behind one address. */
const LANDMARK_MS = 15 * 60_000;
/**
 * Without a landmark nothing ties the clock that stamps videos to ours: the machine that answers, and says its time, may be
 * another one than the one that stamps. An hour is more than clocks are wrong; a day and two hours is more than a clock
 * in the wrong time zone is.
 */
const BY_SERVED_MS = 60 * 60_000;
const BY_OURS_MS = 26 * 60 * 60_000;
/** How far before and after the calls a video that fits in everything else may lie. */
const NEAR_BEFORE_MS = 120_000;
const NEAR_AFTER_MS = 15 * 60_000;

/** Compares a provider's times with ours; pure. Proofs stand on landmarks first, on the provider's own time next. */
export function createTimeline({ span, now, servedAt, landmarks }: Clocks): Timeline {
  const offsets = offsetsOf(landmarks);
  /** What has to be added to the provider's time to get ours. */
  const served = servedAt === undefined ? undefined : now - servedAt;
  if (offsets) {
    return {
      isOlder: (at) => at + offsets.most + LANDMARK_MS < span.from,
      isNewer: (at) => at + offsets.least - LANDMARK_MS > span.to + NEAR_AFTER_MS,
      isNear: (at) =>
        at + offsets.most >= span.from - NEAR_BEFORE_MS && at + offsets.least <= span.to + NEAR_AFTER_MS,
    };
  }
  const ours = [served, 0].filter((offset) => offset !== undefined);
  const marginMs = served === undefined ? BY_OURS_MS : BY_SERVED_MS;
  return {
    isOlder: (at) => ours.every((offset) => at + offset + marginMs < span.from),
    isNewer: () => false,
    isNear: (at) =>
      ours.some(
        (offset) => at + offset >= span.from - NEAR_BEFORE_MS && at + offset <= span.to + NEAR_AFTER_MS,
      ),
  };
}

function offsetsOf(landmarks: readonly Landmark[]): { least: number; most: number } | undefined {
  if (landmarks.length === 0) return undefined;
  return {
    least: Math.min(...landmarks.map(({ from, createdAt }) => from - createdAt - ROUNDING_MS)),
    most: Math.max(...landmarks.map(({ to, createdAt }) => to - createdAt)),
  };
}
