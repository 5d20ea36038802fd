import { MediaError } from '../media/media-error.ts';
import { ProviderError } from '../providers/provider.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** What went wrong with one look at a video in work. */
export interface Doubt {
  kind: 'gone' | 'no_file' | 'named' | 'other';
  /** Two looks that say this alike say the same. */
  reason: string;
  /** What the job's owner reads while it lasts, and what the job fails with once it is proven. */
  code: string;
  message: string;
  /** How long and how often it has to be said to be believed; undefined: it says nothing about the video. */
  proof?: { ms: number; looks: number } | undefined;
}

/** How long a trouble has lasted, as it is stored. */
export interface Trouble {
  since: Date;
  sameSince: Date;
  calmSince: Date;
  looks: number;
  lacked: boolean;
  lastAt: Date;
}

/** A video that is no longer known: ten minutes and five looks. */
const GONE = { ms: 10 * MINUTE_MS, looks: 5 };
/** A file that is not there may be late by a cache or a store that is behind. */
const MISSING = { ms: 2 * HOUR_MS, looks: 10 };
/** The provider's own server fails at this very file, in the same words each time. */
const BROKEN = { ms: 10 * MINUTE_MS, looks: 10 };
/** A file that arrives whole but is no playable video. */
const INVALID = { ms: 5 * MINUTE_MS, looks: 3 };
/** A refusal in terms that no other rule knows. */
const REFUSED = { ms: HOUR_MS, looks: 10 };

/**
 * Many videos of a connection at once are an outage, and no verdict on any of them. One that lasts as long as this is
 * none any more; shorter where a list that works lacks the videos too (a server that has forgotten them all).
 */
const OUTAGE_MS = 6 * HOUR_MS;
const LISTED_OUTAGE_MS = HOUR_MS;
/** A few may be lost at once; so may one in ten. */
const FEW = 3;
const SHARE = 0.1;

/** From when on a job says what it waits for, and gives up its place. */
const PATIENCE_MS = 10 * MINUTE_MS;
const PATIENCE_LOOKS = 10;

/** `lacked`: the provider's complete list, read to its end, lacks the video too. */
export function doubtOfPoll(error: ProviderError, lacked: boolean): Doubt {
  const { code, message } = error;
  if (error.kind === 'gone' || (lacked && error.named)) {
    const said = `The provider no longer knows this video: ${message}`;
    return { kind: 'gone', reason: 'gone', code: 'upstream_lost_job', message: said, proof: GONE };
  }
  return { kind: error.named ? 'named' : 'other', reason: `${code} ${message}`, code, message };
}

/** What an error of fetching, checking or storing says about the file. */
export function doubtOfFile(error: unknown): Doubt {
  if (error instanceof MediaError && error.code === 'media_invalid') {
    const message = `The provider's file cannot be used: ${error.message}`;
    const code = 'upstream_file_invalid';
    return { kind: 'no_file', reason: code, code, message, proof: INVALID };
  }
  if (!(error instanceof ProviderError)) {
    const message = 'The video is finished but could not be stored yet.';
    return { kind: 'other', reason: 'archive_delayed', code: 'archive_delayed', message };
  }
  const { code, message, kind } = error;
  const missing = { kind: 'no_file', code: 'upstream_file_missing' } as const;
  if (kind === 'gone' || code === 'no_output') {
    const said = 'The provider says the video is finished but has no file for it.';
    return { ...missing, reason: 'missing', message: said, proof: MISSING };
  }
  if (code === 'file_too_large') {
    return { kind: 'no_file', reason: code, code, message, proof: { ms: 0, looks: 1 } };
  }
  if (error.named && kind === 'ambiguous') {
    const said = `The provider says the video is finished but cannot give its file: ${message}`;
    return { ...missing, reason: `${code} ${message}`, message: said, proof: BROKEN };
  }
  if (kind === 'rejected') return { kind: 'no_file', reason: code, code, message, proof: REFUSED };
  return { kind: 'other', reason: code, code, message };
}

/** Whether so many of a connection's videos have the same trouble that it is the connection's. */
export function isOutage(troubled: number, all: number): boolean {
  return troubled > FEW && troubled > all * SHARE;
}

/** Whether it has been said long and often enough to be believed. `now` in ms since the epoch. */
export function isProven(doubt: Doubt, trouble: Trouble, now: number, outage: boolean): boolean {
  const { proof } = doubt;
  if (!proof || trouble.looks < proof.looks) return false;
  const same = now - trouble.sameSince.getTime();
  // What arrived and was looked into is no matter of the connection.
  if (!outage || proof === INVALID) return Math.min(same, now - trouble.calmSince.getTime()) >= proof.ms;
  return same >= Math.max(proof.ms, trouble.lacked ? LISTED_OUTAGE_MS : OUTAGE_MS);
}

/** Whether the job should say what it waits for. */
export function isLong(trouble: Trouble, now: number): boolean {
  return now - trouble.since.getTime() >= PATIENCE_MS;
}

/**
 * Whether a job in this trouble should not keep others waiting. While the provider works on it, only when it is the
 * provider's word on this very video; in an outage only after an hour, since those that come next would fare alike.
 */
export function yieldsPlace(doubt: Doubt, trouble: Trouble, now: number, outage: boolean): boolean {
  if (doubt.kind === 'other' || trouble.looks < PATIENCE_LOOKS) return false;
  const same = now - trouble.sameSince.getTime();
  return same >= (outage && !trouble.lacked ? HOUR_MS : PATIENCE_MS);
}

/** When a file is worth the next try, in ms since the epoch: the longer it has not been there, the rarer. */
export function nextFetchAt(reason: string, trouble: Trouble): number {
  const last = trouble.lastAt.getTime();
  if (reason === 'upstream_file_invalid') {
    // Each of these tries fetches all of it: the second one soon, the third one when it would be believed.
    if (trouble.looks < INVALID.looks - 1) return last + MINUTE_MS;
    return Math.max(last + MINUTE_MS, trouble.sameSince.getTime() + INVALID.ms);
  }
  return last + Math.min(5 * MINUTE_MS, (last - trouble.since.getTime()) / 10);
}
