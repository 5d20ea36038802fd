import type { ListedVideo } from '../providers/listed-video.ts';
import type { Operation } from '../providers/provider.ts';
import { GRACE_MS } from './calls.ts';
import { candidatesOf, claimOf, type Doubtful, type Evidence } from './claims.ts';

/** What is known when a provider's list has been walked. */
export interface Sight extends Evidence {
  /** The attempt that is looked for. */
  wanted: Doubtful;
  /** Why the list is known to show everything; undefined when it is not, or was not walked far enough. */
  completeness: Completeness | undefined;
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
  const found = claimOf(sight, wanted);
  if (found !== undefined) return { outcome: 'found', operation: found };

  const unknown = (why: string): Verdict => ({ outcome: 'unknown', why, candidates });
  if (wanted.isAlive) return unknown('a call may still be under way');
  if (candidates.length > 0) return unknown('the list shows videos that may be it');
  if (!sight.completeness) return unknown('the list is not known to show everything');
  if (sight.now < wanted.span.to + GRACE_MS) return unknown('the list may be late');
  return { outcome: 'absent', completeness: sight.completeness };
}
